// Certificates from bytes: what is read, what they are for, what is refused.
#include "tls/certificate.h"

#include <string>
#include <vector>

#include <openssl/pem.h>

#include "handshake.h"
#include "tls/x509_bytes.h"

namespace ocsproxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Key = CertificateRequest::Key;

// The clock's nanoseconds end in 2262, certificates may last longer.
TEST(CertificateDates, BeyondTheClockAreItsEnds) {
  const std::unique_ptr<ASN1_TIME, OpensslDeleter<ASN1_TIME_free>> date(ASN1_TIME_new());
  const auto read = [&](const char* text) {
    EXPECT_EQ(ASN1_TIME_set_string(date.get(), text), 1) << text;
    return utc_text(time_of(date.get()));
  };
  EXPECT_EQ(read("20270101000000Z"), "2027-01-01 00:00:00 UTC");
  EXPECT_EQ(read("99991231235959Z"), "2262-04-11 23:47:16 UTC");
  EXPECT_EQ(read("00010101000000Z"), "1677-09-21 00:12:44 UTC");
}

class CertificateFiles : public testing::Test {
 protected:
  EvpPkeyPtr key_of(const MadeCertificate& from) const {
    const BioPtr bio = memory_bio(from.key);
    return EvpPkeyPtr(
        PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, nullptr, nullptr, library_.get(), nullptr));
  }
  std::string encrypted_key(const MadeCertificate& from, const std::string& passphrase) const {
    const EvpPkeyPtr key = key_of(from);
    const BioPtr bio(BIO_new(BIO_s_mem()));
    const EvpCipherPtr cipher(EVP_CIPHER_fetch(library_.get(), "AES-256-CBC", nullptr));
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), cipher.get(), passphrase.data(),
                                  static_cast<int>(passphrase.size()), nullptr, nullptr);
    return text_of(bio.get());
  }
  // A PFX as new Windows writes it, or with the ciphers of old Windows.
  std::string pfx(const MadeCertificate& leaf, const std::vector<MadeCertificate>& issuers,
                  const char* passphrase, bool old = false) const {
    const EvpPkeyPtr key = key_of(leaf);
    const auto leaf_certificates = parse_pem_certificates(library_, leaf.certificate);
    STACK_OF(X509)* others = sk_X509_new_null();
    for (const MadeCertificate& issuer : issuers) {
      auto parsed_issuer = parse_pem_certificates(library_, issuer.certificate);
      sk_X509_push(others, parsed_issuer->front().release());
    }
    const Pkcs12Ptr file(
        PKCS12_create_ex(passphrase, "name", key.get(), leaf_certificates->front().get(), others,
                         old ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc,
                         old ? NID_pbe_WithSHA1And40BitRC2_CBC : NID_aes_256_cbc, 1000, 1, 0,
                         library_.get(), nullptr));
    sk_X509_pop_free(others, X509_free);
    const BioPtr bio(BIO_new(BIO_s_mem()));
    EXPECT_EQ(i2d_PKCS12_bio(bio.get(), file.get()), 1) << openssl_errors();
    return text_of(bio.get());
  }

  Library library_{Library::Algorithms::legacy};
  MadeCertificate root_ = made(library_, authority_request("Root"));
  MadeCertificate issuing_ = made(library_, authority_request("Issuing"), &root_);
  MadeCertificate leaf_ = made(library_, server_request({"ocsweb.contoso.com"}), &issuing_);
  MadeCertificate other_ = made(library_, server_request({"other.contoso.com"}), &root_);
  const Secret none_;
};

TEST_F(CertificateFiles, SayWhatTheyAreFor) {
  auto request = server_request({"OCSWeb.Contoso.com", "*.contoso.com",
                                 std::string("a.contoso.com\0.evil.test", 23), "sp ace.com"});
  request.ip_addresses = {"203.0.113.10", "2001:db8::10"};
  request.not_before = std::chrono::system_clock::from_time_t(1767225600);
  request.not_after = std::chrono::system_clock::from_time_t(1798761600);
  const MadeCertificate from = made(library_, request, &root_);
  const auto certificate = parsed(library_, from);
  EXPECT_THAT(certificate->dns_names(), ElementsAre("ocsweb.contoso.com", "*.contoso.com"));
  EXPECT_THAT(certificate->addresses(),
              ElementsAre(*IpAddress::parse("203.0.113.10"), *IpAddress::parse("2001:db8::10")));
  EXPECT_EQ(certificate->not_before(), request.not_before);
  EXPECT_EQ(certificate->not_after(), request.not_after);
  EXPECT_EQ(utc_text(certificate->not_after()), "2027-01-01 00:00:00 UTC");
  EXPECT_EQ(certificate->subject(), "OCSWeb.Contoso.com");
  EXPECT_EQ(certificate->issuer(), "Root");
  EXPECT_EQ(certificate->key_type(), "EC P-256");
  const auto again = parse_pem_certificates(library_, from.certificate);
  EXPECT_EQ(certificate->fingerprint(), sha256_hex(library_, der_of(again->front().get())));
}

TEST_F(CertificateFiles, CoverTheNamesThatTheyName) {
  auto request = server_request(
      {"ocsweb.contoso.com", "*.fabrikam.com", "*.local", "o*.example.com", "*.*.example.org"});
  request.common_name = "common.contoso.com";
  request.ip_addresses = {"203.0.113.10"};
  const auto certificate = parsed(library_, made(library_, request, &root_));
  const std::vector<std::pair<std::string, bool>> rows = {
      {"ocsweb.contoso.com", true},
      {"OCSWEB.contoso.COM", true},
      {"common.contoso.com", false},  // the common name counts for nothing
      {"a.ocsweb.contoso.com", false},
      {"contoso.com", false},
      {"a.fabrikam.com", true},
      {"A.Fabrikam.com", true},
      {"fabrikam.com", false},
      {".fabrikam.com", false},
      {"a.b.fabrikam.com", false},  // one label
      {"*.fabrikam.com", true},
      {"a.local", false},          // a wildcard below a single label
      {"oa.example.com", false},   // a part of a label
      {"a.b.example.org", false},  // two wildcards
      {"203.0.113.10", true},
      {"203.0.113.11", false},
      {"", false},
  };
  for (const auto& [name, covered] : rows) EXPECT_EQ(certificate->covers(name), covered) << name;
}

TEST_F(CertificateFiles, MayHoldTheKeyInTheSameFileInAnyPlace) {
  const std::string text = "a remark\n" + leaf_.certificate + leaf_.key + issuing_.certificate;
  const auto result = Certificate::from_pem(library_, text, text, none_);
  ASSERT_NE(result.certificate, nullptr) << result.detail;
  const std::string key_first = leaf_.key + leaf_.certificate;
  EXPECT_NE(Certificate::from_pem(library_, key_first, key_first, none_).certificate, nullptr);
}

TEST_F(CertificateFiles, MayHoldCurveParametersBeforeTheKey) {
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const auto result =
      Certificate::from_pem(library_, leaf_.certificate, parameters + leaf_.key, none_);
  EXPECT_NE(result.certificate, nullptr) << result.detail;
}

TEST_F(CertificateFiles, OpenWithTheirPassphraseAlone) {
  const std::string key = encrypted_key(leaf_, "correct horse");
  const auto with = [&](std::string_view passphrase) {
    return Certificate::from_pem(library_, leaf_.certificate, key, Secret(passphrase));
  };
  EXPECT_NE(with("correct horse").certificate, nullptr);
  EXPECT_EQ(with("wrong").fault, CertificateFault::passphrase_wrong);
  EXPECT_EQ(with("").fault, CertificateFault::passphrase_missing);
  EXPECT_EQ(openssl_errors(), "");
}

TEST_F(CertificateFiles, AreRefusedWhenKeyAndCertificateDoNotBelongTogether) {
  const auto strangers = Certificate::from_pem(library_, leaf_.certificate, other_.key, none_);
  EXPECT_EQ(strangers.fault, CertificateFault::key_mismatch);
  EXPECT_EQ(strangers.detail,
            "the private key is not that of the certificate of ocsweb.contoso.com");
  const auto turned =
      Certificate::from_pem(library_, issuing_.certificate + leaf_.certificate, leaf_.key, none_);
  EXPECT_EQ(turned.fault, CertificateFault::leaf_not_first);
  EXPECT_EQ(turned.detail, "the private key is that of certificate number 2, not of the first");
}

TEST_F(CertificateFiles, AreRefusedWhenTheyAreNot) {
  std::string broken = leaf_.certificate;
  broken.replace(broken.size() / 2, 4, "AAAA");
  const auto der = der_of(parse_pem_certificates(library_, leaf_.certificate)->front().get());
  const std::string binary(der.begin(), der.end());
  const auto fault_of = [&](std::string_view chain, std::string_view key) {
    const auto result = Certificate::from_pem(library_, chain, key, none_);
    EXPECT_EQ(result.certificate, nullptr);
    EXPECT_NE(result.detail, "");
    EXPECT_EQ(openssl_errors(), "");
    return result.fault;
  };
  EXPECT_EQ(fault_of("", leaf_.key), CertificateFault::not_a_certificate);
  EXPECT_EQ(fault_of("text", leaf_.key), CertificateFault::not_a_certificate);
  EXPECT_EQ(fault_of(leaf_.key, leaf_.key), CertificateFault::not_a_certificate);
  EXPECT_EQ(fault_of(binary, leaf_.key), CertificateFault::not_a_certificate);
  EXPECT_EQ(fault_of(leaf_.certificate.substr(0, 200), leaf_.key),
            CertificateFault::not_a_certificate);
  EXPECT_EQ(fault_of(leaf_.certificate + issuing_.certificate.substr(0, 200), leaf_.key),
            CertificateFault::not_a_certificate);
  EXPECT_EQ(fault_of(leaf_.certificate, ""), CertificateFault::no_key);
  EXPECT_EQ(fault_of(leaf_.certificate, leaf_.certificate), CertificateFault::no_key);
  EXPECT_EQ(fault_of(leaf_.certificate, leaf_.key.substr(0, 80)), CertificateFault::no_key);
}

TEST_F(CertificateFiles, ThatNoClientWouldAcceptAreTooWeak) {
  auto small = server_request({"a.contoso.com"});
  small.key = Key::rsa1024;
  auto old = server_request({"a.contoso.com"});
  old.digest = CertificateRequest::Digest::sha1;
  for (const auto& request : {small, old}) {
    const MadeCertificate weak = made(library_, request, &root_);
    const auto result = Certificate::from_pem(library_, weak.certificate, weak.key, none_);
    EXPECT_EQ(result.fault, CertificateFault::too_weak);
    EXPECT_THAT(result.detail, HasSubstr("a.contoso.com"));
  }
}

TEST_F(CertificateFiles, AsPfxOpenWithTheirPassphraseAlone) {
  const std::string file = pfx(leaf_, {}, "correct horse");
  const auto with = [&](std::string_view passphrase) {
    return Certificate::from_pfx(library_, file, Secret(passphrase));
  };
  ASSERT_NE(with("correct horse").certificate, nullptr) << with("correct horse").detail;
  EXPECT_THAT(with("correct horse").certificate->dns_names(), ElementsAre("ocsweb.contoso.com"));
  EXPECT_EQ(with("wrong").fault, CertificateFault::passphrase_wrong);
  EXPECT_EQ(with("").fault, CertificateFault::passphrase_missing);
  EXPECT_EQ(openssl_errors(), "");
}

TEST_F(CertificateFiles, AsPfxMayHaveNoPassphrase) {
  for (const char* const passphrase : {"", static_cast<const char*>(nullptr)}) {
    const auto result = Certificate::from_pfx(library_, pfx(leaf_, {}, passphrase), none_);
    EXPECT_NE(result.certificate, nullptr) << result.detail;
  }
}

TEST_F(CertificateFiles, AsPfxOfOldWindowsAreReadByTheLegacyLibraryAlone) {
  ASSERT_TRUE(library_.has_legacy());
  const std::string file = pfx(leaf_, {issuing_}, "x", true);
  const Secret passphrase(std::string_view("x"));
  EXPECT_NE(Certificate::from_pfx(library_, file, passphrase).certificate, nullptr);
  const Library modern;
  const auto result = Certificate::from_pfx(modern, file, passphrase);
  EXPECT_EQ(result.certificate, nullptr);
  EXPECT_THAT(result.detail, HasSubstr("lacks the algorithms of old files"));
}

TEST_F(CertificateFiles, AsPfxHoldTheIssuersInAnyOrder) {
  for (const auto& issuers : {std::vector{root_, issuing_}, std::vector{issuing_, root_}}) {
    const auto result =
        Certificate::from_pfx(library_, pfx(leaf_, issuers, "x"), Secret(std::string_view("x")));
    ASSERT_NE(result.certificate, nullptr) << result.detail;
    const SslCtxPtr context(SSL_CTX_new_ex(library_.get(), nullptr, TLS_server_method()));
    ASSERT_TRUE(result.certificate->install(library_, context.get()));
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(context.get(), &chain);
    ASSERT_EQ(sk_X509_num(chain), 1);  // the root stays at home
    EXPECT_EQ(name_text(X509_get_subject_name(sk_X509_value(chain, 0))), "Issuing");
  }
}

TEST_F(CertificateFiles, AsPfxAreRefusedWhenTheyAreNot) {
  const std::string file = pfx(leaf_, {}, "x");
  const Secret passphrase(std::string_view("x"));
  for (const std::string& bytes :
       {std::string(), std::string("text"), leaf_.certificate, file.substr(0, file.size() / 2)}) {
    const auto result = Certificate::from_pfx(library_, bytes, passphrase);
    EXPECT_EQ(result.fault, CertificateFault::not_a_certificate) << bytes.size();
    EXPECT_EQ(openssl_errors(), "");
  }
}

}  // namespace
}  // namespace ocsproxy
