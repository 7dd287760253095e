// What the rest of tls/ needs of OpenSSL before it can be used as C++: owners, the error queue as
// text, and the library context that keeps one worker's TLS apart from every other's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace ocsproxy {

class KeySchedule;

template <auto kFree>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using SslPtr = std::unique_ptr<SSL, OpensslDeleter<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, OpensslDeleter<SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using EvpCipherPtr = std::unique_ptr<EVP_CIPHER, OpensslDeleter<EVP_CIPHER_free>>;
using EvpCipherCtxPtr = std::unique_ptr<EVP_CIPHER_CTX, OpensslDeleter<EVP_CIPHER_CTX_free>>;
using EvpKdfPtr = std::unique_ptr<EVP_KDF, OpensslDeleter<EVP_KDF_free>>;
using EvpKdfCtxPtr = std::unique_ptr<EVP_KDF_CTX, OpensslDeleter<EVP_KDF_CTX_free>>;
using EvpMacPtr = std::unique_ptr<EVP_MAC, OpensslDeleter<EVP_MAC_free>>;
using EvpMacCtxPtr = std::unique_ptr<EVP_MAC_CTX, OpensslDeleter<EVP_MAC_CTX_free>>;
using EvpMdPtr = std::unique_ptr<EVP_MD, OpensslDeleter<EVP_MD_free>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using ProviderPtr = std::unique_ptr<OSSL_PROVIDER, OpensslDeleter<OSSL_PROVIDER_unload>>;
using BioPtr = std::unique_ptr<BIO, OpensslDeleter<BIO_free_all>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, OpensslDeleter<PKCS12_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;

inline std::span<const unsigned char> as_bytes(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

// A read-only BIO over memory that must outlive it.
BioPtr memory_bio(std::string_view text);
// What has been written to a memory BIO.
std::string text_of(BIO* memory);

// The calling thread's error queue as one sentence without a full stop, the cause first; "" when it
// is empty. The queue is empty afterwards: an error left in it is reported by the next SSL call.
std::string openssl_errors();

// One OSSL_LIB_CTX with its providers. Each worker thread owns one, because OpenSSL 3.0 takes locks
// on what contexts share; everything made from it must be gone before it. Used by one thread at a
// time. The first one tells OpenSSL not to read openssl.cnf: what a distribution or an
// administrator sets there for other programs (MinProtocol, SECLEVEL) neither weakens nor breaks
// ours.
class Library {
 public:
  // `legacy` adds the provider with the algorithms of old PFX files (RC2, RC4, MD4). Nothing that
  // talks to the network may have it.
  enum class Algorithms : std::uint8_t { modern, legacy };

  explicit Library(Algorithms algorithms = Algorithms::modern);
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  OSSL_LIB_CTX* get() const { return context_.get(); }
  // False when it was not asked for, or when the machine has no legacy.so.
  bool has_legacy() const { return legacy_ != nullptr; }
  KeySchedule& key_schedule() const { return *key_schedule_; }
  // Cryptographic random bytes, for secrets. Ends the process when there are none.
  void random(std::span<unsigned char> bytes) const;

 private:
  using ContextPtr = std::unique_ptr<OSSL_LIB_CTX, OpensslDeleter<OSSL_LIB_CTX_free>>;
  ContextPtr context_;
  ProviderPtr default_;
  ProviderPtr legacy_;
  std::unique_ptr<KeySchedule> key_schedule_;
};

// SHA-256 as 64 lower-case hex digits.
std::string sha256_hex(const Library& library, std::span<const unsigned char> bytes);

// Puts base/free_list.h under all that OpenSSL allocates in this process. To be called first in
// main: false when OpenSSL has allocated already, and then nothing is changed. Under sanitizers
// nothing is changed either, and the answer is true.
bool use_free_lists();

}  // namespace ocsproxy
