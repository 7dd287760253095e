#include "tls/protocol.h"

#include "tls/certificate.h"

namespace ocsproxy {
namespace {

bool has_aes_instructions() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0;
#else
  return true;
#endif
}

const char* tls13_ciphers() {
  return has_aes_instructions()
             ? "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
             : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
}

int version_number(settings::TlsVersion version) {
  switch (version) {
    case settings::TlsVersion::tls1_0:
      return TLS1_VERSION;
    case settings::TlsVersion::tls1_1:
      return TLS1_1_VERSION;
    case settings::TlsVersion::tls1_2:
      return TLS1_2_VERSION;
    case settings::TlsVersion::tls1_3:
      return TLS1_3_VERSION;
  }
  return TLS1_3_VERSION;
}

}  // namespace

Error context_error() {
  Error error;
  error.kind = ErrorKind::tls;
  error.detail = "OpenSSL makes no TLS context: " + openssl_errors();
  return error;
}

Result<SslCtxPtr> make_context(const Library& library, const SSL_METHOD* method,
                               settings::TlsVersion minimum_version) {
  SslCtxPtr context(SSL_CTX_new_ex(library.get(), nullptr, method));
  if (context == nullptr) return context_error();
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_security_level(raw, kSecurityLevel);
  char groups[] = "X25519:P-256:P-384";  // the macro casts a const away
  // No partial writes: the BIO takes all, so they would only cost further calls.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_set_min_proto_version(raw, version_number(minimum_version)) != 1 ||
      SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(raw, tls13_ciphers()) != 1 ||
      SSL_CTX_set1_groups_list(raw, groups) != 1) {
    return context_error();
  }
  return context;
}

const char* server_ciphers() {
  return has_aes_instructions()
             ? "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
               "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE+CHACHA20"
             : "ECDHE+CHACHA20:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
               "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
}

const char* upstream_ciphers() {
  return "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
         "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:AESGCM:AES:"
         "!aNULL:!eNULL:!PSK:!SRP:!aDSS:!AESCCM:!ARIA:!CAMELLIA";
}

}  // namespace ocsproxy
