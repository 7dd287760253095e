// The TLS server side of one web listener in one worker.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "settings/settings.h"
#include "tls/certificate.h"
#include "tls/certificate_choice.h"
#include "tls/openssl.h"
#include "tls/ticket_keys.h"

namespace ocsproxy {

// What a listener presents and accepts.
struct ServerPolicy {
  std::string listener;  // the name; a ticket made at one listener is worth nothing at another
  settings::TlsVersion minimum_version = settings::TlsVersion::tls1_2;
  std::vector<std::shared_ptr<const Certificate>> certificates;  // the first is the default
};

// TLS 1.2 with ECDHE and AEAD ciphers, TLS 1.3; one stateless ticket a handshake, no session cache,
// no renegotiation, no compression, no early data, ALPN http/1.1 or none.
// One thread. Must outlive the SSL objects made from it, and `library` must outlive it.
class ServerContext {
 public:
  // Fails when a certificate cannot be installed, which a certificate from
  // tls/read_certificates.h can. Precondition: at least one certificate.
  static Result<std::unique_ptr<ServerContext>> make(const Library& library, ServerPolicy policy,
                                                     std::shared_ptr<const TicketKeys> keys);

  // A connection in accept state, without BIOs; null when memory is out. SNI (RFC 6066 3) chooses
  // the certificate: one that has the very name, else one whose wildcard covers it, else the first.
  SslPtr new_ssl() const;

  // Handshakes from now on use these keys.
  void set_ticket_keys(std::shared_ptr<const TicketKeys> keys) { keys_ = std::move(keys); }

  // Which certificate a connection was given, and whether because the client named a host.
  struct Choice {
    std::size_t certificate = 0;
    bool named = false;
  };
  // Precondition: `ssl` is from new_ssl() and its handshake has ended.
  static Choice choice_of(const SSL* ssl);
  // Should a request for `public_name` (a host name without port or trailing dot) on this
  // connection be answered 421 (RFC 9110 15.5.20)? Yes when the client sent SNI, and another
  // certificate of the listener covers the name, and the one that SNI chose does not.
  bool misdirected(Choice choice, std::string_view public_name) const;
  // The certificate that this connection was given. Precondition as for choice_of.
  const Certificate& certificate_of(const SSL* ssl) const;

  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

 private:
  ServerContext(const Library& library, ServerPolicy policy,
                std::shared_ptr<const TicketKeys> keys);

  Status add(const Certificate& certificate);
  static int on_client_hello(SSL* ssl, int* alert, void* context);
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int making);
  int make_ticket(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                  EVP_MAC_CTX* mac) const;
  int open_ticket(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                  EVP_MAC_CTX* mac) const;

  const Library& library_;
  ServerPolicy policy_;
  std::shared_ptr<const TicketKeys> keys_;
  EvpCipherPtr ticket_cipher_;       // fetched once: a fetch by name at each ticket is slow
  std::vector<SslCtxPtr> contexts_;  // as policy_.certificates
  CertificateChoice choice_;
};

}  // namespace ocsproxy
