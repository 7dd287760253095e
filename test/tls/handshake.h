// TLS without a network: two SSL objects joined by memory, driven until both have ended.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"
#include "tls/make_certificate.h"
#include "tls/openssl.h"
#include "tls/server_context.h"
#include "tls/upstream_context.h"

namespace ocsproxy {

// The PEM of make_certificate; ends the test run when it cannot be made.
MadeCertificate made(const Library& library, const CertificateRequest& request,
                     const MadeCertificate* issuer = nullptr);
// The certificate as a listener reads it, its issuers in `chain` after it.
std::shared_ptr<const Certificate> parsed(const Library& library, const MadeCertificate& leaf,
                                          std::string_view chain = {});
std::shared_ptr<const TrustedRoots> roots_of(const Library& library,
                                             const std::vector<MadeCertificate>& roots);

// How one side's handshake ended.
struct Ending {
  bool done = false;
  Error error;  // when not done
};

struct Outcome {
  Ending client;
  Ending server;
  bool both_done() const { return client.done && server.done; }
};

// Joins the two and runs the handshake, and when both sides have ended it successfully sends one
// byte from server to client, so that the client has read the tickets. The errors come from
// tls/verify_failure.h.
Outcome handshake(SSL* client, SSL* server);

// Sends `text` from one end of a finished handshake to the other; what arrives.
std::string pass_on(SSL* from, SSL* to, std::string_view text);
// Answers the client's hello with these bytes, as a server that does not speak TLS would.
Ending handshake_with_bytes(SSL* client, std::string_view answer);

// A TLS server that anybody could run: no security level, any certificate, any version.
class LooseServer {
 public:
  LooseServer(const Library& library, const MadeCertificate& leaf, std::string_view chain = {});
  SSL_CTX* context() const { return context_.get(); }
  SslPtr new_ssl() const;
  // Only this version, for example TLS1_VERSION.
  void set_version(int version);
  // Chooses this protocol whatever the client offers (ALPN); `protocol` must outlive the server.
  void set_protocol(const std::string& protocol);

 private:
  SslCtxPtr context_;
};

// A TLS client that anybody could run: verifies nothing.
class LooseClient {
 public:
  explicit LooseClient(const Library& library);
  SSL_CTX* context() const { return context_.get(); }
  // `server_name` is the SNI, "" for none.
  SslPtr new_ssl(const std::string& server_name) const;
  void set_version(int version);
  // ALPN, in wire form: "\x08http/1.1\x02h2".
  void set_protocols(std::string_view wire);

 private:
  SslCtxPtr context_;
};

// A copy of the session that a client holds after a handshake; null when the server gave none.
SslSessionPtr session_of(SSL* client);
// The subject of the certificate that the client was shown.
std::string shown_to(SSL* client);

}  // namespace ocsproxy
