#include "tls/trusted_roots.h"

#include <utility>

#include "tls/x509_bytes.h"

namespace ocsproxy {

Result<std::size_t> TrustedRoots::add_pem(const Library& library, std::string_view pem) {
  auto parsed = parse_pem_certificates(library, pem);
  if (!parsed) return std::move(parsed).error();
  for (const X509Ptr& certificate : *parsed) {
    certificates_.push_back(der_of(certificate.get()));
    // Each step covers all before it: the hash of the hashes so far.
    fingerprint_ += sha256_hex(library, certificates_.back());
    fingerprint_ = sha256_hex(library, as_bytes(fingerprint_));
  }
  return parsed->size();
}

Result<X509StorePtr> TrustedRoots::make_store(const Library& library) const {
  const auto failed = [] {
    Error error;
    error.kind = ErrorKind::tls;
    error.detail = "the trusted roots cannot be used: " + openssl_errors();
    return error;
  };
  X509StorePtr store(X509_STORE_new());
  if (store == nullptr) return failed();
  for (const auto& der : certificates_) {
    const X509Ptr certificate = parse_der_certificate(library, der);
    if (certificate == nullptr || X509_STORE_add_cert(store.get(), certificate.get()) != 1) {
      return failed();
    }
  }
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

}  // namespace ocsproxy
