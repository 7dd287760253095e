#include "tls/certificate.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/text.h"
#include "tls/x509_bytes.h"

namespace ocsproxy {
namespace {

void free_stack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
using X509StackPtr = std::unique_ptr<STACK_OF(X509), OpensslDeleter<free_stack>>;

ParsedCertificate fault(CertificateFault kind, std::string detail) {
  ERR_clear_error();
  return {nullptr, kind, std::move(detail)};
}

struct PassphraseRequest {
  const Secret& passphrase;
  bool asked = false;
};

int give_passphrase(char* buffer, int size, int, void* argument) {
  auto& request = *static_cast<PassphraseRequest*>(argument);
  request.asked = true;
  const auto bytes = request.passphrase.bytes();
  if (bytes.empty() || bytes.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, bytes.data(), bytes.size());
  return static_cast<int>(bytes.size());
}

// A usable host name or wildcard: what no host can be called is dropped, so that nothing later has
// to think of a NUL in a name.
bool is_host_like(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '*';
  });
}

Secret key_bytes(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  PKCS8_PRIV_KEY_INFO* const info = EVP_PKEY2PKCS8(key);
  const int size = info != nullptr ? i2d_PKCS8_PRIV_KEY_INFO(info, &bytes) : 0;
  PKCS8_PRIV_KEY_INFO_free(info);
  if (size <= 0) return {};
  Secret secret(std::span<const unsigned char>(bytes, static_cast<std::size_t>(size)));
  OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
  return secret;
}

ParsedCertificate mismatch(const std::vector<X509Ptr>& chain, EVP_PKEY* key) {
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (X509_check_private_key(chain[i].get(), key) != 1) continue;
    return fault(CertificateFault::leaf_not_first,
                 "the private key is that of certificate number " + std::to_string(i + 1) +
                     ", not of the first");
  }
  return fault(CertificateFault::key_mismatch,
               "the private key is not that of the certificate of " +
                   name_text(X509_get_subject_name(chain.front().get())));
}

// The issuers that the leaf needs, in order. A PFX file holds them in any order, often with the
// root, which clients have.
std::vector<X509Ptr> ordered(X509Ptr leaf, STACK_OF(X509) * others) {
  std::vector<X509Ptr> chain;
  chain.push_back(std::move(leaf));
  while (chain.size() <= static_cast<std::size_t>(std::max(sk_X509_num(others), 0))) {
    X509* issuer = nullptr;
    for (int i = 0; i < sk_X509_num(others) && issuer == nullptr; ++i) {
      X509* const candidate = sk_X509_value(others, i);
      if (X509_check_issued(candidate, chain.back().get()) == X509_V_OK) issuer = candidate;
    }
    if (issuer == nullptr || X509_self_signed(issuer, 0) == 1) break;
    X509_up_ref(issuer);
    chain.emplace_back(issuer);
  }
  return chain;
}

// Not empty.
Result<std::vector<X509Ptr>> parse_pem_chain(const Library& library, std::string_view pem) {
  auto certificates = parse_pem_certificates(library, pem);
  if (certificates && certificates->empty()) {
    return Error{.kind = ErrorKind::tls, .detail = "there is no PEM certificate in it"};
  }
  return certificates;
}

ParsedCertificate passphrase_fault(const Secret& passphrase, std::string_view what) {
  if (passphrase.empty()) {
    return fault(CertificateFault::passphrase_missing,
                 std::string(what) + " is encrypted and no passphrase is given");
  }
  return fault(CertificateFault::passphrase_wrong,
               "the passphrase does not open " + std::string(what));
}

}  // namespace

ParsedCertificate Certificate::from_chain(const Library& library, std::string_view chain) {
  auto certificates = parse_pem_chain(library, chain);
  if (!certificates) {
    return fault(CertificateFault::not_a_certificate, certificates.error().detail);
  }
  return {describe(library, *certificates), CertificateFault::none, {}};
}

ParsedCertificate Certificate::from_pem(const Library& library, std::string_view chain,
                                        std::string_view key, const Secret& passphrase) {
  auto certificates = parse_pem_chain(library, chain);
  if (!certificates) {
    return fault(CertificateFault::not_a_certificate, certificates.error().detail);
  }
  PassphraseRequest request{passphrase};
  const BioPtr bio = memory_bio(key);
  const EvpPkeyPtr parsed(PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, give_passphrase, &request,
                                                     library.get(), nullptr));
  if (parsed == nullptr && request.asked) return passphrase_fault(passphrase, "the private key");
  if (parsed == nullptr) {
    return fault(CertificateFault::no_key, "there is no PEM private key in it");
  }
  return make(library, *certificates, parsed.get());
}

ParsedCertificate Certificate::from_pfx(const Library& library, std::string_view pfx,
                                        const Secret& passphrase) {
  PKCS12* file = PKCS12_init_ex(NID_pkcs7_data, library.get(), nullptr);
  const BioPtr bio = memory_bio(pfx);
  const bool read = d2i_PKCS12_bio(bio.get(), &file) != nullptr;
  const Pkcs12Ptr owner(file);
  if (!read) return fault(CertificateFault::not_a_certificate, "it is no PFX (PKCS#12) file");

  // OpenSSL wants the passphrase to end in a NUL.
  Secret text(passphrase.bytes().size() + 1);
  std::copy(passphrase.bytes().begin(), passphrase.bytes().end(), text.bytes().begin());
  const char* const word = text.text().data();
  if (PKCS12_mac_present(file) == 1 && PKCS12_verify_mac(file, word, -1) != 1 &&
      (!passphrase.empty() || PKCS12_verify_mac(file, nullptr, 0) != 1)) {
    return passphrase_fault(passphrase, "the PFX file");
  }
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool parsed = PKCS12_parse(file, word, &key, &leaf, &others) == 1;
  const EvpPkeyPtr key_owner(key);
  X509Ptr leaf_owner(leaf);
  const X509StackPtr others_owner(others);
  if (!parsed) {
    std::string why = "the PFX file cannot be opened: " + openssl_errors();
    if (!library.has_legacy()) why += "; this machine's OpenSSL lacks the algorithms of old files";
    return fault(CertificateFault::not_a_certificate, std::move(why));
  }
  if (key == nullptr || leaf == nullptr) {
    return fault(CertificateFault::no_key, "there is no certificate with a private key in it");
  }
  return make(library, ordered(std::move(leaf_owner), others), key);
}

std::shared_ptr<Certificate> Certificate::describe(const Library& library,
                                                   const std::vector<X509Ptr>& chain) {
  const X509* const leaf = chain.front().get();
  std::shared_ptr<Certificate> made(new Certificate);
  for (const X509Ptr& certificate : chain) made->chain_.push_back(der_of(certificate.get()));
  for (const std::string& name : dns_names_of(leaf)) {
    if (is_host_like(name)) made->dns_names_.push_back(lower(name));
  }
  made->addresses_ = addresses_of(leaf);
  made->not_before_ = time_of(X509_get0_notBefore(leaf));
  made->not_after_ = time_of(X509_get0_notAfter(leaf));
  made->subject_ = name_text(X509_get_subject_name(leaf));
  made->issuer_ = name_text(X509_get_issuer_name(leaf));
  made->key_type_ = key_text(X509_get0_pubkey(leaf));
  made->fingerprint_ = sha256_hex(library, made->chain_.front());
  return made;
}

ParsedCertificate Certificate::make(const Library& library, const std::vector<X509Ptr>& chain,
                                    EVP_PKEY* key) {
  if (X509_check_private_key(chain.front().get(), key) != 1) return mismatch(chain, key);
  const std::shared_ptr<Certificate> made = describe(library, chain);
  made->key_ = key_bytes(key);
  // What a listener's context would refuse is found here, where there is a file to point at.
  const SslCtxPtr trial(SSL_CTX_new_ex(library.get(), nullptr, TLS_server_method()));
  SSL_CTX_set_security_level(trial.get(), kSecurityLevel);
  if (auto installed = made->install(library, trial.get()); !installed) {
    return fault(CertificateFault::too_weak, installed.error().detail);
  }
  return {made, CertificateFault::none, {}};
}

bool Certificate::covers(std::string_view name) const {
  if (const auto address = IpAddress::parse(name)) {
    return std::find(addresses_.begin(), addresses_.end(), *address) != addresses_.end();
  }
  return std::any_of(dns_names_.begin(), dns_names_.end(),
                     [&](const std::string& pattern) { return dns_name_covers(pattern, name); });
}

Status Certificate::install(const Library& library, SSL_CTX* context) const {
  // `certificate`: the one that OpenSSL complains of.
  const auto failed = [&](const char* what, const X509Ptr& certificate) {
    const std::string strength = certificate == nullptr
                                     ? key_type_
                                     : key_text(X509_get0_pubkey(certificate.get())) +
                                           ", signed with " + digest_text(certificate.get());
    return Error{.kind = ErrorKind::tls,
                 .detail = "TLS does not accept " + std::string(what) + " of " + subject_ + " (" +
                           strength + "): " + openssl_errors()};
  };
  ERR_clear_error();
  const X509Ptr leaf = parse_der_certificate(library, chain_.front());
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return failed("the certificate", leaf);
  }
  const unsigned char* position = key_.bytes().data();
  const EvpPkeyPtr key(d2i_AutoPrivateKey_ex(
      nullptr, &position, static_cast<long>(key_.bytes().size()), library.get(), nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return failed("the private key", leaf);
  }
  for (std::size_t i = 1; i < chain_.size(); ++i) {
    const X509Ptr issuer = parse_der_certificate(library, chain_[i]);
    if (issuer == nullptr || SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) {
      return failed("an issuer's certificate", issuer);
    }
  }
  return Done{};
}

}  // namespace ocsproxy
