#include "lab/lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "settings/load.h"
#include "test/lab/temporary_folder.h"
#include "test/source_path.h"
#include "tls/certificate.h"

namespace ocsproxy::lab {
namespace {

using testing::HasSubstr;

const std::string kShipped = test::source_path("conf");

// A port that is free now: Lab listens where the configuration says, which has to be a number.
std::uint16_t free_port() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(address.sin_port);
}

std::string replaced(std::string text, std::string_view what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

class LabTest : public testing::Test {
 protected:
  LabTest() {
    for (const auto& entry : std::filesystem::directory_iterator(kShipped)) {
      if (entry.path().extension() == ".yaml") {
        std::filesystem::copy(entry.path(), folder_ / entry.path().filename());
      }
    }
    change("30-rules.yaml", "port: 9443", "port: " + std::to_string(port_));
  }
  void change(const std::string& file, std::string_view what, const std::string& by) {
    const std::string text = folder_.read(file);
    const std::string changed = replaced(text, what, by);
    if (text == changed) throw std::runtime_error(file + " does not say " + std::string(what));
    folder_.write(file, changed);
  }
  std::string failure() {
    const auto lab = Lab::start(folder_.path(), log_);
    return lab ? "it started" : lab.error().detail;
  }

  TemporaryFolder folder_;
  std::uint16_t port_ = free_port();
  const Descriptor nowhere_{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  const Log log_{nowhere_.get()};
};

TEST_F(LabTest, StartsThePoolOfTheShippedConfigurationAndMakesWhatItNames) {
  const auto lab = Lab::start(folder_.path(), log_);
  ASSERT_TRUE(lab) << lab.error().detail;
  EXPECT_EQ(lab->pool().ports(), std::vector<std::uint16_t>{port_});

  DiskFiles files;
  const auto loaded = settings::load(folder_.path(), files);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(render(loaded->findings, loaded->sources), "") << "now all that it names is there";

  const Library library;
  const auto web_farm = Certificate::from_pem(library, folder_.read("certs/webfarm.pem"),
                                              folder_.read("certs/webfarm.key"), Secret());
  ASSERT_NE(web_farm.certificate, nullptr) << web_farm.detail;
  for (const char* name : {"ocsweb.contoso.com", "localhost", "127.0.0.1"}) {
    EXPECT_TRUE(web_farm.certificate->covers(name)) << name;
  }
  EXPECT_EQ(folder_.mode("certs/webfarm.key"), 0600u);
}

TEST_F(LabTest, StartsAgainWithTheSameCertificates) {
  ASSERT_TRUE(Lab::start(folder_.path(), log_));
  const std::string first = folder_.read("certs/webfarm.pem");
  ASSERT_TRUE(Lab::start(folder_.path(), log_));
  EXPECT_EQ(folder_.read("certs/webfarm.pem"), first);
}

TEST_F(LabTest, ServesEachAddressAndPortThatARulePublishes) {
  const std::uint16_t other = free_port();
  change("30-rules.yaml", "address: 127.0.0.1", "address: [127.0.0.1, 127.0.0.2]");
  folder_.write(
      "40-more.yaml",
      "rules:\n"
      "  - name: Plain\n    action: allow\n    listener: OCS External Web Farm\n"
      "    from: [External]\n    public_names: [ocsweb.contoso.com]\n    paths: [/x]\n"
      "    bridging: http\n"
      "    to: {site: other.contoso.local, address: localhost, port: " +
          std::to_string(other) +
          "}\n"
          "  - name: Again\n    action: allow\n    listener: OCS External Web Farm\n"
          "    from: [External]\n    public_names: [ocsweb.contoso.com]\n    paths: [/y]\n"
          "    to: {site: ocspool.contoso.local, address: 127.0.0.1, port: " +
          std::to_string(port_) + "}\n");
  const auto lab = Lab::start(folder_.path(), log_);
  ASSERT_TRUE(lab) << lab.error().detail;
  EXPECT_EQ(lab->pool().ports(), (std::vector<std::uint16_t>{port_, port_, other}));
}

TEST_F(LabTest, DoesNotStandInForAServerOfTheNetwork) {
  change("30-rules.yaml", "address: 127.0.0.1", "address: 192.168.1.105");
  EXPECT_THAT(failure(), HasSubstr("rule \"OCS External Web Farm\" publishes 192.168.1.105, which "
                                   "is no loopback address"));
}

TEST_F(LabTest, DoesNotStandInForASiteThatOnlyDnsKnows) {
  change("30-rules.yaml", "      address: 127.0.0.1\n", "");
  EXPECT_THAT(failure(), HasSubstr("publishes ocspool.contoso.local without an `address`"));
}

TEST_F(LabTest, ShowsTheFindingsOfAConfigurationWithErrors) {
  change("30-rules.yaml", "from: [External]", "from: [Externl]");
  const std::string said = failure();
  EXPECT_THAT(said, HasSubstr("30-rules.yaml:"));
  EXPECT_THAT(said, HasSubstr("Externl"));
}

TEST_F(LabTest, LeavesAForeignRootAlone) {
  const Library library;
  const auto root = make_certificate(library, authority_request("Contoso Root"));
  std::filesystem::create_directory(folder_ / "certs");
  folder_.write("certs/lab-rootca.pem", root->certificate);
  EXPECT_THAT(failure(), HasSubstr("none of the configuration's trusted_roots is the lab's"));
  EXPECT_EQ(folder_.read("certs/lab-rootca.pem"), root->certificate);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "certs/webfarm.pem"));
}

TEST_F(LabTest, SaysWhenItsPortIsTaken) {
  const auto first = Lab::start(folder_.path(), log_);
  ASSERT_TRUE(first);
  EXPECT_THAT(failure(), HasSubstr("127.0.0.1 port " + std::to_string(port_)));
}

TEST_F(LabTest, SaysThatAFolderDoesNotExist) {
  const auto lab = Lab::start(folder_ / "missing", log_);
  ASSERT_FALSE(lab);
  EXPECT_THAT(lab.error().detail, HasSubstr("missing"));
}

}  // namespace
}  // namespace ocsproxy::lab
