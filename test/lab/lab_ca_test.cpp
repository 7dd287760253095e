#include "lab/lab_ca.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/lab/temporary_folder.h"
#include "tls/certificate.h"

namespace ocsproxy::lab {
namespace {

using std::chrono::hours;
using testing::HasSubstr;
using testing::IsEmpty;

class LabCaTest : public testing::Test {
 protected:
  LabCaTest() {
    if (::pipe2(log_pipe_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("no pipe");
    log_ = Log(log_pipe_[1]);
  }
  ~LabCaTest() override {
    ::close(log_pipe_[0]);
    ::close(log_pipe_[1]);
  }

  CertificatePaths paths(const std::string& stem) const {
    return {folder_ / ("certs/" + stem + ".pem"), folder_ / ("certs/" + stem + ".key")};
  }
  LabCa open(LabCa::Time now = std::chrono::system_clock::now()) {
    auto ca = LabCa::open(library_, paths("root"), log_, now);
    if (!ca) throw std::runtime_error(ca.error().detail);
    return std::move(*ca);
  }
  MadeCertificate issue(const LabCa& ca, std::vector<std::string> names = {"pool.test"}) {
    auto made = ca.issue(paths("leaf"), std::move(names), {"127.0.0.1"});
    if (!made) throw std::runtime_error(made.error().detail);
    return std::move(*made);
  }
  std::shared_ptr<const Certificate> parsed(const MadeCertificate& made) {
    return Certificate::from_pem(library_, made.certificate, made.key, Secret()).certificate;
  }
  // What has been logged since the last call.
  std::string logged() {
    std::string text(65536, '\0');
    const ssize_t size = ::read(log_pipe_[0], text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

  TemporaryFolder folder_;
  Library library_;
  int log_pipe_[2] = {-1, -1};
  Log log_;
};

TEST_F(LabCaTest, MakesWhatIsMissingWithPrivateKeys) {
  const LabCa ca = open();
  const auto leaf = parsed(issue(ca));
  ASSERT_NE(leaf, nullptr);
  EXPECT_EQ(leaf->issuer(), ca.name());
  EXPECT_TRUE(ca.name().starts_with(kAuthorityName));
  EXPECT_TRUE(leaf->covers("pool.test"));
  EXPECT_TRUE(leaf->covers("127.0.0.1"));
  EXPECT_EQ(folder_.mode("certs/root.key"), 0600u);
  EXPECT_EQ(folder_.mode("certs/leaf.key"), 0600u);
  EXPECT_EQ(folder_.mode("certs/root.pem"), 0644u);
  EXPECT_TRUE(LabCa::made(folder_ / "certs/root.pem"));
  EXPECT_TRUE(LabCa::made(folder_ / "certs/leaf.pem"));
  EXPECT_FALSE(LabCa::made(folder_ / "certs/missing.pem"));
  const std::string log = logged();
  EXPECT_THAT(log, HasSubstr("certs/root.pem"));
  EXPECT_THAT(log, HasSubstr("certs/leaf.pem"));
}

TEST_F(LabCaTest, ASecondRunChangesNothing) {
  issue(open());
  const std::string root = folder_.read("certs/root.pem");
  const std::string leaf = folder_.read("certs/leaf.pem");
  const std::string key = folder_.read("certs/leaf.key");
  logged();
  const MadeCertificate again = issue(open());
  EXPECT_EQ(folder_.read("certs/root.pem"), root);
  EXPECT_EQ(folder_.read("certs/leaf.pem"), leaf);
  EXPECT_EQ(folder_.read("certs/leaf.key"), key);
  EXPECT_EQ(again.certificate, leaf);
  EXPECT_EQ(again.key, key);
  EXPECT_THAT(logged(), IsEmpty());
}

TEST_F(LabCaTest, ALeafIsMadeAgainWhenItIsNotGoodAnyMore) {
  const MadeCertificate first = issue(open());
  logged();

  const MadeCertificate more_names = issue(open(), {"pool.test", "other.test"});
  EXPECT_TRUE(parsed(more_names)->covers("other.test"));
  EXPECT_THAT(logged(), HasSubstr("it is not for other.test"));

  ::unlink(paths("leaf").key.c_str());
  EXPECT_NE(issue(open()).certificate, more_names.certificate);
  EXPECT_THAT(logged(), HasSubstr("leaf.pem"));

  folder_.write("certs/leaf.key", first.key);
  EXPECT_NE(parsed(issue(open())), nullptr) << "the key was that of another certificate";
  EXPECT_THAT(logged(), HasSubstr("leaf.pem"));

  const auto next_year = std::chrono::system_clock::now() + hours(24 * 365 - 12);
  issue(open(next_year));
  EXPECT_THAT(logged(), HasSubstr("it expires on"));
}

TEST_F(LabCaTest, ANewAuthorityHasAnotherNameAndItsLeavesAreMadeAgain) {
  const LabCa old = open();
  issue(old);
  ::unlink(paths("root").certificate.c_str());
  ::unlink(paths("root").key.c_str());
  logged();
  const LabCa ca = open();
  EXPECT_NE(ca.name(), old.name());
  EXPECT_EQ(parsed(issue(ca))->issuer(), ca.name());
  EXPECT_THAT(logged(), HasSubstr("it is of another root CA"));
}

TEST_F(LabCaTest, AnAuthorityWithoutItsKeyOrAtItsEndIsMadeAgain) {
  const std::string first = open().name();
  ::unlink(paths("root").key.c_str());
  const std::string second = open().name();
  EXPECT_NE(second, first);
  EXPECT_EQ(open().name(), second);
  EXPECT_NE(open(std::chrono::system_clock::now() + hours(24 * 3650)).name(), second);
}

TEST_F(LabCaTest, AForeignLeafIsUsedAndNeverWrittenTo) {
  const LabCa ca = open();
  const auto root = make_certificate(library_, authority_request("Contoso Root"));
  CertificateRequest old = server_request({"something.else"});
  old.not_after = std::chrono::system_clock::now() - hours(1);
  old.not_before = old.not_after - hours(24);
  const auto leaf = make_certificate(library_, old, &*root);
  folder_.write("certs/leaf.pem", leaf->certificate);
  folder_.write("certs/leaf.key", leaf->key);
  logged();
  EXPECT_EQ(issue(ca).certificate, leaf->certificate) << "though it has expired";
  EXPECT_EQ(folder_.read("certs/leaf.pem"), leaf->certificate);
  EXPECT_EQ(folder_.read("certs/leaf.key"), leaf->key);
  EXPECT_THAT(logged(), IsEmpty());
}

TEST_F(LabCaTest, WhatCannotBeUsedAndIsNotTheLabsIsAnErrorAndStays) {
  const LabCa ca = open();
  const auto foreign = make_certificate(library_, server_request({"pool.test"}));
  struct Row {
    const char* what;
    const char* certificate;  // "" when missing
    const char* key;
    const char* says;
  };
  const std::vector<Row> rows = {
      {"a text", "hello", "there", "was not made by the lab"},
      {"no key", foreign->certificate.c_str(), "", "was not made by the lab"},
      {"a key alone", "", foreign->key.c_str(), "leaf.key exists, but"},
  };
  for (const Row& row : rows) {
    ::unlink(paths("leaf").certificate.c_str());
    ::unlink(paths("leaf").key.c_str());
    if (row.certificate[0] != '\0') folder_.write("certs/leaf.pem", row.certificate);
    if (row.key[0] != '\0') folder_.write("certs/leaf.key", row.key);
    const auto made = ca.issue(paths("leaf"), {"pool.test"});
    ASSERT_FALSE(made) << row.what;
    EXPECT_THAT(made.error().detail, HasSubstr(row.says)) << row.what;
    EXPECT_EQ(folder_.read("certs/leaf.pem"), row.certificate) << row.what;
    EXPECT_EQ(folder_.read("certs/leaf.key"), row.key) << row.what;
  }
}

TEST_F(LabCaTest, AForeignAuthorityIsNotUsedToSign) {
  const auto root = make_certificate(library_, authority_request("Contoso Root"));
  std::filesystem::create_directory(folder_ / "certs");
  folder_.write("certs/root.pem", root->certificate);
  folder_.write("certs/root.key", root->key);
  const auto ca = LabCa::open(library_, paths("root"), log_);
  ASSERT_FALSE(ca);
  EXPECT_THAT(ca.error().detail, HasSubstr("root.pem was not made by the lab"));
  EXPECT_EQ(folder_.read("certs/root.pem"), root->certificate);
}

TEST_F(LabCaTest, AFolderThatCannotBeWrittenIsNamed) {
  folder_.write("certs", "a file in the way");
  const auto ca = LabCa::open(library_, paths("root"), log_);
  ASSERT_FALSE(ca);
  EXPECT_THAT(ca.error().detail, HasSubstr("certs/root.key"));
}

}  // namespace
}  // namespace ocsproxy::lab
