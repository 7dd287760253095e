#include "handshake.h"

#include <array>
#include <cstdlib>
#include <iostream>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls/verify_failure.h"
#include "tls/x509_bytes.h"
#include "tls/x509_text.h"

namespace ocsproxy {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << why << '\n';
  std::abort();
}

constexpr std::size_t kBuffer = 1 << 17;

void join(SSL* client, SSL* server) {
  BIO* client_end = nullptr;
  BIO* server_end = nullptr;
  if (BIO_new_bio_pair(&client_end, kBuffer, &server_end, kBuffer) != 1) give_up("no BIO pair");
  SSL_set_bio(client, client_end, client_end);
  SSL_set_bio(server, server_end, server_end);
}

// One step; false when `ssl` can do nothing before the other side has.
bool step(SSL* ssl, Ending& ending, bool& ended) {
  if (ended) return false;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl);
  if (result == 1) {
    ending.done = ended = true;
    return true;
  }
  const int error = SSL_get_error(ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return false;
  ended = true;
  ending.error =
      SSL_is_server(ssl) == 1 ? client_handshake_failure(ssl) : upstream_handshake_failure(ssl);
  return true;
}

// An alert in TLS 1.3 may come after the client believes that all is well.
void read_pending(SSL* client, Ending& ending) {
  std::array<char, 16> buffer{};
  ERR_clear_error();
  const int result = SSL_read(client, buffer.data(), buffer.size());
  if (result > 0 || SSL_get_error(client, result) != SSL_ERROR_SSL) return;
  ending.done = false;
  ending.error = upstream_handshake_failure(client);
}

int choose_configured(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char*,
                      unsigned, void* protocol) {
  const auto& text = *static_cast<const std::string*>(protocol);
  *chosen = reinterpret_cast<const unsigned char*>(text.data());
  *size = static_cast<unsigned char>(text.size());
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

MadeCertificate made(const Library& library, const CertificateRequest& request,
                     const MadeCertificate* issuer) {
  auto result = make_certificate(library, request, issuer);
  if (!result) give_up(result.error().detail);
  return *result;
}

std::shared_ptr<const Certificate> parsed(const Library& library, const MadeCertificate& leaf,
                                          std::string_view chain) {
  auto result = Certificate::from_pem(library, leaf.certificate + std::string(chain), leaf.key, {});
  if (result.certificate == nullptr) give_up(result.detail);
  return result.certificate;
}

std::shared_ptr<const TrustedRoots> roots_of(const Library& library,
                                             const std::vector<MadeCertificate>& roots) {
  auto trusted = std::make_shared<TrustedRoots>();
  for (const MadeCertificate& root : roots) {
    if (const auto added = trusted->add_pem(library, root.certificate); !added) {
      give_up(added.error().detail);
    }
  }
  return trusted;
}

Outcome handshake(SSL* client, SSL* server) {
  join(client, server);
  Outcome outcome;
  bool client_ended = false;
  bool server_ended = false;
  bool moved = true;
  while (moved) {
    const bool client_moved = step(client, outcome.client, client_ended);
    const bool server_moved = step(server, outcome.server, server_ended);
    const bool in_flight =
        BIO_ctrl_pending(SSL_get_rbio(client)) > 0 || BIO_ctrl_pending(SSL_get_rbio(server)) > 0;
    moved = client_moved || server_moved ||
            (in_flight && !(client_ended && server_ended) &&
             !(client_ended && !outcome.client.done) && !(server_ended && !outcome.server.done));
  }
  if (outcome.server.done) SSL_write(server, "x", 1);
  if (outcome.client.done) read_pending(client, outcome.client);
  ERR_clear_error();
  return outcome;
}

std::string pass_on(SSL* from, SSL* to, std::string_view text) {
  ERR_clear_error();
  SSL_write(from, text.data(), static_cast<int>(text.size()));
  std::string arrived(text.size(), '\0');
  const int size = SSL_read(to, arrived.data(), static_cast<int>(arrived.size()));
  ERR_clear_error();
  arrived.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return arrived;
}

Ending handshake_with_bytes(SSL* client, std::string_view answer) {
  BIO* client_end = nullptr;
  BIO* server_end = nullptr;
  if (BIO_new_bio_pair(&client_end, kBuffer, &server_end, kBuffer) != 1) give_up("no BIO pair");
  const BioPtr owner(server_end);
  SSL_set_bio(client, client_end, client_end);
  Ending ending;
  bool ended = false;
  step(client, ending, ended);
  BIO_write(server_end, answer.data(), static_cast<int>(answer.size()));
  BIO_shutdown_wr(server_end);
  step(client, ending, ended);
  return ending;
}

LooseServer::LooseServer(const Library& library, const MadeCertificate& leaf,
                         std::string_view chain)
    : context_(SSL_CTX_new_ex(library.get(), nullptr, TLS_server_method())) {
  SSL_CTX* const raw = context_.get();
  SSL_CTX_set_security_level(raw, 0);
  SSL_CTX_set_min_proto_version(raw, TLS1_VERSION);
  SSL_CTX_set_cipher_list(raw, "ALL");
  SSL_CTX_set_session_id_context(raw, reinterpret_cast<const unsigned char*>("test"), 4);
  auto certificates = parse_pem_certificates(library, leaf.certificate + std::string(chain));
  const BioPtr key_bio = memory_bio(leaf.key);
  const EvpPkeyPtr key(
      PEM_read_bio_PrivateKey_ex(key_bio.get(), nullptr, nullptr, nullptr, library.get(), nullptr));
  if (!certificates || certificates->empty() ||
      SSL_CTX_use_certificate(raw, certificates->front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(raw, key.get()) != 1) {
    give_up("a loose server: " + openssl_errors());
  }
  for (std::size_t i = 1; i < certificates->size(); ++i) {
    SSL_CTX_add1_chain_cert(raw, (*certificates)[i].get());
  }
}

SslPtr LooseServer::new_ssl() const {
  SslPtr ssl(SSL_new(context_.get()));
  SSL_set_accept_state(ssl.get());
  return ssl;
}

void LooseServer::set_version(int version) {
  SSL_CTX_set_min_proto_version(context_.get(), version);
  SSL_CTX_set_max_proto_version(context_.get(), version);
}

void LooseServer::set_protocol(const std::string& protocol) {
  SSL_CTX_set_alpn_select_cb(context_.get(), choose_configured,
                             const_cast<std::string*>(&protocol));
}

LooseClient::LooseClient(const Library& library)
    : context_(SSL_CTX_new_ex(library.get(), nullptr, TLS_client_method())) {
  SSL_CTX_set_security_level(context_.get(), 0);
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
  SSL_CTX_set_cipher_list(context_.get(), "ALL");
}

SslPtr LooseClient::new_ssl(const std::string& server_name) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!server_name.empty()) SSL_set_tlsext_host_name(ssl.get(), server_name.c_str());
  SSL_set_connect_state(ssl.get());
  return ssl;
}

void LooseClient::set_version(int version) {
  SSL_CTX_set_min_proto_version(context_.get(), version);
  SSL_CTX_set_max_proto_version(context_.get(), version);
}

void LooseClient::set_protocols(std::string_view wire) {
  SSL_CTX_set_alpn_protos(context_.get(), as_bytes(wire).data(),
                          static_cast<unsigned>(wire.size()));
}

SslSessionPtr session_of(SSL* client) {
  const SSL_SESSION* const session = SSL_get0_session(client);
  if (session == nullptr || SSL_SESSION_is_resumable(session) != 1) return nullptr;
  return SslSessionPtr(SSL_SESSION_dup(session));
}

std::string shown_to(SSL* client) {
  const X509* const certificate = SSL_get0_peer_certificate(client);
  return certificate != nullptr ? name_text(X509_get_subject_name(certificate)) : "";
}

}  // namespace ocsproxy
