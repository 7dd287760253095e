#include "tls/make_certificate.h"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/ip_address.h"

namespace ocsproxy {
namespace {

Error failure(std::string what) {
  Error error;
  const std::string why = openssl_errors();
  error.detail = "cannot make a certificate: " + std::move(what);
  if (!why.empty()) error.detail += ": " + why;
  return error;
}

EvpPkeyPtr make_key(const Library& library, CertificateRequest::Key kind) {
  using Key = CertificateRequest::Key;
  const auto rsa = [&](std::size_t bits) {
    return EvpPkeyPtr(EVP_PKEY_Q_keygen(library.get(), nullptr, "RSA", bits));
  };
  const auto curve = [&](const char* name) {
    return EvpPkeyPtr(EVP_PKEY_Q_keygen(library.get(), nullptr, "EC", name));
  };
  switch (kind) {
    case Key::p256:
      return curve("P-256");
    case Key::p384:
      return curve("P-384");
    case Key::rsa2048:
      return rsa(2048);
    case Key::rsa1024:
      return rsa(1024);
  }
  return nullptr;
}

const char* digest_name(CertificateRequest::Digest digest) {
  using Digest = CertificateRequest::Digest;
  switch (digest) {
    case Digest::sha256:
      return "SHA256";
    case Digest::sha1:
      return "SHA1";
    case Digest::md5:
      return "MD5";
  }
  return "SHA256";
}

bool set_serial(const Library& library, X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  library.random(bytes);
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x3f) | 0x40);  // positive, and 16 bytes long
  BIGNUM* const number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
  const bool done = number != nullptr &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return done;
}

bool set_validity(X509* certificate, const CertificateRequest& request) {
  const auto set = [](ASN1_TIME* field, CertificateRequest::Time time) {
    return ASN1_TIME_adj(field, std::chrono::system_clock::to_time_t(time), 0, 0) != nullptr;
  };
  return set(X509_getm_notBefore(certificate), request.not_before) &&
         set(X509_getm_notAfter(certificate), request.not_after);
}

bool set_common_name(X509* certificate, const std::string& name) {
  if (name.empty()) return true;
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                    MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509V3_CTX* context, int nid, const char* value) {
  X509_EXTENSION* const extension = X509V3_EXT_nconf_nid(nullptr, context, nid, value);
  const bool done = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return done;
}

bool add_general_name(GENERAL_NAMES* names, int type, std::string_view bytes) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_STRING* const value =
      ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  if (name == nullptr || value == nullptr ||
      ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) != 1) {
    GENERAL_NAME_free(name);
    ASN1_STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name, type, value);
  if (sk_GENERAL_NAME_push(names, name) > 0) return true;
  GENERAL_NAME_free(name);
  return false;
}

// The names are written byte by byte: OpenSSL's configuration syntax could not say a NUL.
Status add_alternative_names(X509* certificate, const CertificateRequest& request) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) return Done{};
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  for (const std::string& name : request.dns_names) {
    if (!add_general_name(names.get(), GEN_DNS, name)) return failure("a name");
  }
  for (const std::string& text : request.ip_addresses) {
    const auto address = IpAddress::parse(text);
    if (!address) return failure("\"" + text + "\" is no IP address");
    const auto& bytes = address->bytes();
    const std::size_t skipped = address->is_v4() ? 12 : 0;
    const std::string_view view(reinterpret_cast<const char*>(bytes.data()) + skipped,
                                bytes.size() - skipped);
    if (!add_general_name(names.get(), GEN_IPADD, view)) return failure("an address");
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) != 1) {
    return failure("the names");
  }
  return Done{};
}

bool add_usage(X509* certificate, X509V3_CTX* context, CertificateRequest::Usage usage) {
  using Usage = CertificateRequest::Usage;
  const bool authority = usage == Usage::authority;
  if (!add_extension(certificate, context, NID_basic_constraints,
                     authority ? "critical,CA:TRUE" : "critical,CA:FALSE") ||
      !add_extension(certificate, context, NID_key_usage,
                     authority ? "critical,keyCertSign,cRLSign"
                               : "critical,digitalSignature,keyEncipherment") ||
      !add_extension(certificate, context, NID_subject_key_identifier, "hash") ||
      !add_extension(certificate, context, NID_authority_key_identifier, "keyid")) {
    return false;
  }
  switch (usage) {
    case Usage::server:
      return add_extension(certificate, context, NID_ext_key_usage, "serverAuth");
    case Usage::client:
      return add_extension(certificate, context, NID_ext_key_usage, "clientAuth");
    case Usage::any:
    case Usage::authority:
      return true;
  }
  return true;
}

struct Issuer {
  X509Ptr certificate;
  EvpPkeyPtr key;
};

Result<Issuer> read_issuer(const Library& library, const MadeCertificate& made) {
  Issuer issuer;
  X509* certificate = X509_new_ex(library.get(), nullptr);
  const BioPtr certificate_bio = memory_bio(made.certificate);
  if (PEM_read_bio_X509(certificate_bio.get(), &certificate, nullptr, nullptr) == nullptr) {
    X509_free(certificate);
    return failure("the issuer's certificate cannot be read");
  }
  issuer.certificate.reset(certificate);
  const BioPtr key_bio = memory_bio(made.key);
  issuer.key.reset(
      PEM_read_bio_PrivateKey_ex(key_bio.get(), nullptr, nullptr, nullptr, library.get(), nullptr));
  if (issuer.key == nullptr) return failure("the issuer's key cannot be read");
  return issuer;
}

Result<MadeCertificate> as_pem(const Library& library, X509* certificate, EVP_PKEY* key) {
  const BioPtr certificate_bio(BIO_new(BIO_s_mem()));
  const BioPtr key_bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate_bio.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey_ex(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr,
                                  library.get(), nullptr) != 1) {
    return failure("it cannot be written");
  }
  return MadeCertificate{text_of(certificate_bio.get()), text_of(key_bio.get())};
}

}  // namespace

Result<MadeCertificate> make_certificate(const Library& library, const CertificateRequest& request,
                                         const MadeCertificate* issuer) {
  Issuer from;
  if (issuer != nullptr) {
    auto read = read_issuer(library, *issuer);
    if (!read) return std::move(read).error();
    from = std::move(*read);
  }
  const EvpPkeyPtr key = make_key(library, request.key);
  if (key == nullptr) return failure("no key");
  const X509Ptr made(X509_new_ex(library.get(), nullptr));
  X509* const certificate = made.get();
  X509* const signer = issuer != nullptr ? from.certificate.get() : certificate;
  if (certificate == nullptr || X509_set_version(certificate, X509_VERSION_3) != 1 ||
      !set_serial(library, certificate) || !set_validity(certificate, request) ||
      !set_common_name(certificate, request.common_name) ||
      X509_set_issuer_name(certificate, X509_get_subject_name(signer)) != 1 ||
      X509_set_pubkey(certificate, key.get()) != 1) {
    return failure("its fields");
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, signer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  if (!add_usage(certificate, &context, request.usage)) return failure("its extensions");
  if (auto named = add_alternative_names(certificate, request); !named) {
    return std::move(named).error();
  }
  const EvpMdPtr digest(EVP_MD_fetch(library.get(), digest_name(request.digest), nullptr));
  EVP_PKEY* const signing_key = issuer != nullptr ? from.key.get() : key.get();
  if (X509_sign(certificate, signing_key, digest.get()) <= 0) return failure("its signature");
  return as_pem(library, certificate, key.get());
}

CertificateRequest authority_request(std::string common_name) {
  CertificateRequest request;
  request.common_name = std::move(common_name);
  request.usage = CertificateRequest::Usage::authority;
  request.not_after = request.not_before + std::chrono::hours(24 * 3650);
  return request;
}

CertificateRequest server_request(std::vector<std::string> names) {
  CertificateRequest request;
  if (!names.empty()) request.common_name = names.front();
  request.dns_names = std::move(names);
  return request;
}

}  // namespace ocsproxy
