// The findings about the certificates that a configuration names.
#include "tls/read_certificates.h"

#include <functional>
#include <map>
#include <string>

#include <openssl/pem.h>

#include "handshake.h"
#include "tls/x509_bytes.h"

namespace ocsproxy {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

// Where the test's configuration names each file.
constexpr Location kChain{0, 1, 1};
constexpr Location kKey{0, 2, 1};
constexpr Location kPfx{0, 3, 1};
constexpr Location kPassphrase{0, 4, 1};

class Reading : public testing::Test {
 protected:
  Reading() {
    request_.not_before = now_ - hours(24);
    request_.not_after = now_ + hours(24 * 365);
  }
  void issue() {
    const MadeCertificate leaf = made(library_, request_, &root_);
    disk_["web.pem"] = leaf.certificate;
    disk_["web.key"] = leaf.key;
  }
  std::shared_ptr<const Certificate> read() {
    MemoryFiles files(disk_, {});
    return read_certificate(library_, named_, files, now_, findings_);
  }
  std::shared_ptr<const TrustedRoots> read_roots(const std::vector<std::string>& names) {
    std::vector<Located<std::string>> located;
    for (const std::string& name : names) {
      located.push_back({name, {0, static_cast<std::uint32_t>(located.size() + 1), 7}});
    }
    MemoryFiles files(disk_, {});
    return read_trusted_roots(library_, located, files, now_, findings_);
  }
  void expect_finding(Severity severity, const std::string& code, Location where,
                      const std::string& part) {
    ASSERT_EQ(findings_.all().size(), 1U);
    const Finding& finding = findings_.all().front();
    EXPECT_EQ(finding.severity, severity);
    EXPECT_EQ(finding.code, code);
    EXPECT_EQ(finding.where, where);
    EXPECT_THAT(finding.text + "\n" + finding.mend, HasSubstr(part));
    EXPECT_FALSE(finding.text.ends_with('.'));
  }
  std::string der_of_file(const std::string& path) {
    const auto der = der_of(parse_pem_certificates(library_, disk_[path])->front().get());
    return {der.begin(), der.end()};
  }

  Library library_{Library::Algorithms::legacy};
  MadeCertificate root_ = made(library_, authority_request("Root"));
  CertificateTime now_ = std::chrono::system_clock::from_time_t(1800000000);
  CertificateRequest request_ = server_request({"ocsweb.contoso.com"});
  std::map<std::string, std::string> disk_;
  settings::CertificateFiles named_{.where = {},
                                    .chain = {"web.pem", kChain},
                                    .key = {"web.key", kKey},
                                    .pfx = {},
                                    .passphrase_file = {}};
  Findings findings_;
};

TEST_F(Reading, AGoodCertificateGivesNoFinding) {
  issue();
  const auto certificate = read();
  ASSERT_NE(certificate, nullptr);
  EXPECT_TRUE(certificate->covers("ocsweb.contoso.com"));
  EXPECT_TRUE(findings_.all().empty());
}

TEST_F(Reading, AMissingChainIsReportedAtItsName) {
  issue();
  disk_.erase("web.pem");
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-unreadable", kChain, "web.pem");
}

TEST_F(Reading, AMissingKeyIsReportedAtItsName) {
  issue();
  disk_.erase("web.key");
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-unreadable", kKey, "web.key");
}

TEST_F(Reading, ABinaryFileComesWithTheCommandThatConvertsIt) {
  issue();
  disk_["web.pem"] = der_of_file("web.pem");
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-invalid", kChain,
                 "openssl x509 -inform der -in web.pem");
}

TEST_F(Reading, AFileWithoutACertificateIsRefused) {
  issue();
  disk_["web.pem"] = disk_["web.key"];
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-invalid", kChain, "there is no PEM certificate");
}

TEST_F(Reading, AFileWithoutAKeyIsRefused) {
  issue();
  disk_["web.key"] = disk_["web.pem"];
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-no-key", kKey, "there is no PEM private key");
}

TEST_F(Reading, TheKeyOfAnotherCertificateIsRefused) {
  issue();
  disk_["web.key"] = made(library_, request_, &root_).key;
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-key-mismatch", kKey,
                 "not that of the certificate of ocsweb.contoso.com");
}

TEST_F(Reading, AKeyAtFaultIsNamedByItsOwnFile) {
  issue();
  disk_["web.key"] = "none";
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-no-key", kKey, "web.key: there is no PEM private");
}

TEST_F(Reading, AnIssuerInFrontOfItsCertificateIsReportedAtTheChain) {
  issue();
  disk_["web.pem"] = root_.certificate + disk_["web.pem"];
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-key-mismatch", kChain,
                 "web.pem: the private key is that of certificate number 2, not of the first");
  EXPECT_THAT(findings_.all().front().mend, HasSubstr("put that certificate first"));
}

TEST_F(Reading, AWeakCertificateIsRefused) {
  request_.key = CertificateRequest::Key::rsa1024;
  issue();
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-weak", kChain, "RSA 1024, signed with SHA256");
}

TEST_F(Reading, AWeakSignatureIsNamed) {
  request_.digest = CertificateRequest::Digest::sha1;
  issue();
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-weak", kChain, "signed with SHA1");
}

TEST_F(Reading, ACertificateWithoutNamesIsDoubted) {
  request_.dns_names.clear();
  issue();
  EXPECT_NE(read(), nullptr);
  expect_finding(Severity::warning, "certificate-no-names", kChain, "no subject alternative names");
}

TEST_F(Reading, ACertificateOfTomorrowIsDoubted) {
  request_.not_before = now_ + hours(24);
  issue();
  EXPECT_NE(read(), nullptr);
  expect_finding(Severity::warning, "certificate-not-yet-valid", kChain,
                 "is not valid before 2027-01-16 08:00:00 UTC");
}

TEST_F(Reading, TheEndOfACertificateIsAnnounced) {
  struct Row {
    hours left;
    Expiry step;
    std::string text;  // "" for none
  };
  const Row rows[] = {
      {hours(24 * 31), Expiry::far, ""},
      {hours(24 * 30), Expiry::far, ""},
      {hours(24 * 30 - 1), Expiry::within_30_days, "expires in 29 days, on "},
      {hours(24 * 14 - 1), Expiry::within_14_days, "expires in 13 days, on "},
      {hours(24 * 7 - 1), Expiry::within_7_days, "expires in 6 days, on "},
      {hours(25), Expiry::within_7_days, "expires in 1 day, on "},
      {hours(1), Expiry::within_7_days, "expires today, on "},
      {hours(-1), Expiry::expired, "expired on "},
  };
  for (const Row& row : rows) {
    findings_ = Findings();
    request_.not_after = now_ + row.left;
    issue();
    const auto certificate = read();
    ASSERT_NE(certificate, nullptr);  // expired or not: it is the administrator's decision
    EXPECT_EQ(expiry_of(*certificate, now_), row.step) << row.text;
    if (row.text.empty()) {
      EXPECT_TRUE(findings_.all().empty());
      EXPECT_EQ(expiry_text(*certificate, now_), "");
    } else {
      expect_finding(Severity::warning,
                     row.step == Expiry::expired ? "certificate-expired" : "certificate-expires",
                     kChain, "the certificate of ocsweb.contoso.com " + row.text);
    }
  }
}

// The key of web.key encrypted with "correct horse".
class EncryptedKey : public Reading {
 protected:
  EncryptedKey() {
    issue();
    const BioPtr in = memory_bio(disk_["web.key"]);
    const EvpPkeyPtr key(
        PEM_read_bio_PrivateKey_ex(in.get(), nullptr, nullptr, nullptr, library_.get(), nullptr));
    const BioPtr out(BIO_new(BIO_s_mem()));
    const EvpCipherPtr cipher(EVP_CIPHER_fetch(library_.get(), "AES-256-CBC", nullptr));
    PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), cipher.get(), "correct horse", 13, nullptr,
                                  nullptr);
    disk_["web.key"] = text_of(out.get());
  }
  void give_passphrase(const std::string& file) {
    named_.passphrase_file = {"web.pass", kPassphrase};
    disk_["web.pass"] = file;
  }
};

TEST_F(EncryptedKey, OpensWithTheFirstLineOfThePassphraseFile) {
  for (const char* file : {"correct horse", "correct horse\n", "correct horse\r\nmore\n"}) {
    give_passphrase(file);
    EXPECT_NE(read(), nullptr) << file;
  }
  EXPECT_TRUE(findings_.all().empty());
}

TEST_F(EncryptedKey, WithoutAPassphraseIsReportedAtTheKey) {
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-passphrase", kKey, "passphrase_file");
}

TEST_F(EncryptedKey, WithAWrongPassphraseIsReportedAtThePassphrase) {
  give_passphrase("wrong\n");
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-passphrase", kPassphrase,
                 "does not open the private key");
}

TEST_F(EncryptedKey, WithAnEmptyPassphraseFileIsReportedThere) {
  give_passphrase("\ncorrect horse\n");
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-passphrase", kPassphrase, "is empty");
}

TEST_F(Reading, APfxThatIsNoneIsReportedAtItsName) {
  named_.chain = {};
  named_.key = {};
  named_.pfx = {"web.pfx", kPfx};
  disk_["web.pfx"] = "text";
  EXPECT_EQ(read(), nullptr);
  expect_finding(Severity::error, "certificate-invalid", kPfx, "web.pfx: it is no PFX");
}

TEST_F(Reading, RootsOfAllFilesAreTrusted) {
  disk_["a.pem"] = root_.certificate;
  disk_["b.pem"] = made(library_, authority_request("B")).certificate +
                   made(library_, authority_request("C")).certificate;
  const auto roots = read_roots({"a.pem", "b.pem"});
  ASSERT_NE(roots, nullptr);
  EXPECT_EQ(roots->size(), 3U);
  EXPECT_TRUE(roots->make_store(library_));
  EXPECT_TRUE(findings_.all().empty());
}

TEST_F(Reading, RootsThatCannotBeReadAreErrors) {
  disk_["good.pem"] = root_.certificate;
  EXPECT_EQ(read_roots({"good.pem", "missing.pem"}), nullptr);
  expect_finding(Severity::error, "root-unreadable", {0, 2, 7}, "missing.pem");
}

TEST_F(Reading, ARootInDerComesWithTheCommandThatConvertsIt) {
  disk_["root.cer"] = root_.certificate;
  disk_["root.cer"] = der_of_file("root.cer");
  EXPECT_EQ(read_roots({"root.cer"}), nullptr);
  expect_finding(Severity::error, "root-invalid", {0, 1, 7},
                 "openssl x509 -inform der -in root.cer");
}

TEST_F(Reading, AFileWithoutARootIsAnError) {
  disk_["root.pem"] = root_.key;
  EXPECT_EQ(read_roots({"root.pem"}), nullptr);
  expect_finding(Severity::error, "root-invalid", {0, 1, 7}, "there is no PEM certificate");
}

TEST_F(Reading, ABrokenRootIsAnErrorThatSaysWhichOne) {
  std::string broken = root_.certificate;
  broken.replace(40, 8, "AAAAAAAA");
  disk_["root.pem"] = root_.certificate + broken;
  EXPECT_EQ(read_roots({"root.pem"}), nullptr);
  expect_finding(Severity::error, "root-invalid", {0, 1, 7}, "certificate number 2 is broken");
}

TEST_F(Reading, ARootThatIsNoCaIsDoubted) {
  issue();
  EXPECT_NE(read_roots({"web.pem"}), nullptr);
  expect_finding(Severity::warning, "root-not-authority", {0, 1, 7},
                 "is not the certificate of a CA");
}

TEST_F(Reading, AnExpiredRootIsDoubted) {
  auto old = authority_request("Old");
  old.not_before = now_ - hours(48);
  old.not_after = now_ - hours(24);
  disk_["old.pem"] = made(library_, old).certificate;
  EXPECT_NE(read_roots({"old.pem"}), nullptr);
  expect_finding(Severity::warning, "root-expired", {0, 1, 7}, "Old in old.pem expired on");
}

TEST_F(Reading, TheMachinesStoreIsReadFromWhereADistributionKeepsIt) {
  disk_["own.pem"] = root_.certificate;
  disk_["/etc/pki/tls/certs/ca-bundle.crt"] =
      made(library_, authority_request("Public")).certificate;
  const auto roots = read_roots({"own.pem", "system"});
  ASSERT_NE(roots, nullptr);
  EXPECT_EQ(roots->size(), 2U);
}

TEST_F(Reading, AMachineWithoutAStoreIsAnError) {
  EXPECT_EQ(read_roots({"system"}), nullptr);
  expect_finding(Severity::error, "root-unreadable", {0, 1, 7}, "ca-certificates");
}

}  // namespace
}  // namespace ocsproxy
