#include "tls/x509_bytes.h"

#include <string>
#include <utility>

#include <openssl/err.h>
#include <openssl/pem.h>

namespace ocsproxy {
namespace {

// Without this OpenSSL would ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

// The object comes first so that what is parsed belongs to the library. The parser frees it and
// writes null when the bytes are broken.
X509Ptr read_next(const Library& library, BIO* pem) {
  X509* certificate = X509_new_ex(library.get(), nullptr);
  if (PEM_read_bio_X509(pem, &certificate, no_passphrase, nullptr) == nullptr) {
    X509_free(certificate);
    return nullptr;
  }
  return X509Ptr(certificate);
}

}  // namespace

X509Ptr parse_der_certificate(const Library& library, std::span<const unsigned char> der) {
  const unsigned char* position = der.data();
  X509* certificate = X509_new_ex(library.get(), nullptr);
  if (d2i_X509(&certificate, &position, static_cast<long>(der.size())) == nullptr) {
    X509_free(certificate);
    return nullptr;
  }
  X509Ptr parsed(certificate);
  if (position != der.data() + der.size()) return nullptr;
  return parsed;
}

std::vector<unsigned char> der_of(const X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  std::vector<unsigned char> der;
  if (size > 0) der.assign(bytes, bytes + size);
  OPENSSL_free(bytes);
  return der;
}

Result<std::vector<X509Ptr>> parse_pem_certificates(const Library& library, std::string_view pem) {
  std::vector<X509Ptr> certificates;
  const BioPtr bio = memory_bio(pem);
  ERR_clear_error();
  while (X509Ptr certificate = read_next(library, bio.get())) {
    certificates.push_back(std::move(certificate));
  }
  const unsigned long last = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  const std::string why = openssl_errors();
  if (at_end) return certificates;
  Error error;
  error.kind = ErrorKind::malformed;
  error.detail =
      "certificate number " + std::to_string(certificates.size() + 1) + " is broken: " + why;
  return error;
}

}  // namespace ocsproxy
