#include "tls/server_context.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/tls1.h>

#include "tls/post_handshake.h"
#include "tls/protocol.h"

namespace ocsproxy {
namespace {

// How long a ticket may be used. Clients of a working day come back without a full handshake.
constexpr long kTicketLifetimeSeconds = 12L * 3600;
static_assert(std::chrono::seconds(kTicketLifetimeSeconds) <=
              TicketKeys::kRotation * (TicketKeys::kKept - 1));

// What SNI chose, kept in the SSL object's own pointer: 0 before the ClientHello, then
// 1 + 2 * index of the certificate + (was SNI sent).
int choice_slot() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool remember(SSL* ssl, ServerContext::Choice choice) {
  const std::uintptr_t packed = 1 + 2 * choice.certificate + (choice.named ? 1 : 0);
  return SSL_set_ex_data(ssl, choice_slot(), reinterpret_cast<void*>(packed)) == 1;
}

// The host of a server_name extension (RFC 6066 3): a list of one entry, of type host_name.
// Empty when it is not exactly that; OpenSSL then ends the handshake when it comes to parse it.
std::string_view sni_host(std::span<const unsigned char> extension) {
  constexpr std::size_t kHead = 5;  // length of the list, type, length of the name
  if (extension.size() <= kHead) return {};
  const auto length_at = [&](std::size_t at) {
    return static_cast<std::size_t>(extension[at] << 8 | extension[at + 1]);
  };
  if (length_at(0) != extension.size() - 2 || extension[2] != TLSEXT_NAMETYPE_host_name ||
      length_at(3) != extension.size() - kHead) {
    return {};
  }
  return {reinterpret_cast<const char*>(extension.data()) + kHead, extension.size() - kHead};
}

// RFC 6066 3: a server that used the name says so.
int acknowledge_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

// RFC 7301 3.2: a client that offers protocols, and not ours, is told so.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  for (std::size_t at = 0; at < offered_size; at += 1U + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != kProtocol) continue;
    *chosen = offered + at + 1;
    *chosen_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// A ticket is bound to what this says: the listener and the certificate.
bool set_session_context(const Library& library, SSL_CTX* context, const std::string& listener,
                         const Certificate& certificate) {
  const std::string bound = listener + '\0' + certificate.fingerprint();
  std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> digest{};
  static_assert(digest.size() == 32);
  return EVP_Q_digest(library.get(), "SHA256", nullptr, bound.data(), bound.size(), digest.data(),
                      nullptr) == 1 &&
         SSL_CTX_set_session_id_context(context, digest.data(), digest.size()) == 1;
}

void set_manners(SSL_CTX* context) {
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_timeout(context, kTicketLifetimeSeconds);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, acknowledge_name);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  watch_post_handshake(context);
}

bool set_mac_key(EVP_MAC_CTX* mac, const TicketKeys::Key& key) {
  char digest[] = "SHA256";  // OSSL_PARAM wants it writable, and only reads it
  const auto bytes = key.mac.bytes();
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
                                        const_cast<unsigned char*>(bytes.data()), bytes.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
}

}  // namespace

ServerContext::ServerContext(const Library& library, ServerPolicy policy,
                             std::shared_ptr<const TicketKeys> keys)
    : library_(library),
      policy_(std::move(policy)),
      keys_(std::move(keys)),
      ticket_cipher_(EVP_CIPHER_fetch(library.get(), "AES-256-CBC", nullptr)) {}

Result<std::unique_ptr<ServerContext>> ServerContext::make(const Library& library,
                                                           ServerPolicy policy,
                                                           std::shared_ptr<const TicketKeys> keys) {
  std::unique_ptr<ServerContext> made(
      new ServerContext(library, std::move(policy), std::move(keys)));
  for (const auto& certificate : made->policy_.certificates) {
    if (auto added = made->add(*certificate); !added) {
      Error error = std::move(added).error();
      error.detail = "listener \"" + made->policy_.listener + "\": " + error.detail;
      return error;
    }
    made->choice_.add(certificate);
  }
  return made;
}

Status ServerContext::add(const Certificate& certificate) {
  auto context = make_context(library_, TLS_server_method(), policy_.minimum_version);
  if (!context) return std::move(context).error();
  SSL_CTX* const raw = context->get();
  set_manners(raw);
  SSL_CTX_set_app_data(raw, this);
  SSL_CTX_set_client_hello_cb(raw, on_client_hello, this);
  if (SSL_CTX_set_cipher_list(raw, server_ciphers()) != 1 ||
      SSL_CTX_set_tlsext_ticket_key_evp_cb(raw, on_ticket) != 1 ||
      !set_session_context(library_, raw, policy_.listener, certificate)) {
    return context_error();
  }
  if (auto installed = certificate.install(library_, raw); !installed) return installed;

  contexts_.push_back(std::move(*context));
  return Done{};
}

SslPtr ServerContext::new_ssl() const {
  SslPtr ssl(SSL_new(contexts_.front().get()));
  if (ssl != nullptr) SSL_set_accept_state(ssl.get());
  return ssl;
}

// Runs before OpenSSL looks at a ticket, so that the ticket is judged by the session context of the
// certificate that was chosen.
int ServerContext::on_client_hello(SSL* ssl, int* alert, void* context) {
  const auto& self = *static_cast<const ServerContext*>(context);
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  Choice choice;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) == 1) {
    std::string_view host = sni_host({bytes, size});
    if (host.ends_with('.')) host.remove_suffix(1);
    choice.named = !host.empty();
    choice.certificate = self.choice_.choose(host);
  }
  if (!remember(ssl, choice) ||
      SSL_set_SSL_CTX(ssl, self.contexts_[choice.certificate].get()) == nullptr) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

int ServerContext::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv,
                             EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int making) {
  const auto& self = *static_cast<const ServerContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return making != 0 ? self.make_ticket(name, iv, cipher, mac)
                     : self.open_ticket(name, iv, cipher, mac);
}

// OpenSSL's codes: -1 the handshake fails, 1 done.
int ServerContext::make_ticket(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                               EVP_MAC_CTX* mac) const {
  const TicketKeys::Key& key = keys_->newest();
  std::copy(key.name.begin(), key.name.end(), name);
  const auto iv_size = static_cast<std::size_t>(EVP_CIPHER_get_iv_length(ticket_cipher_.get()));
  library_.random({iv, iv_size});
  const bool ready = EVP_EncryptInit_ex2(cipher, ticket_cipher_.get(), key.cipher.bytes().data(),
                                         iv, nullptr) == 1 &&
                     set_mac_key(mac, key);
  return ready ? 1 : -1;
}

// OpenSSL's codes: -1 the handshake fails, 0 no such key, so a full handshake, 1 done, 2 done and
// the client shall have a new ticket.
int ServerContext::open_ticket(const unsigned char* name, const unsigned char* iv,
                               EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const {
  const TicketKeys::Key* const key = keys_->find(
      std::span<const unsigned char, TicketKeys::kNameSize>(name, TicketKeys::kNameSize));
  if (key == nullptr) return 0;
  const bool ready = EVP_DecryptInit_ex2(cipher, ticket_cipher_.get(), key->cipher.bytes().data(),
                                         iv, nullptr) == 1 &&
                     set_mac_key(mac, *key);
  if (!ready) return -1;
  return key == &keys_->newest() ? 1 : 2;
}

ServerContext::Choice ServerContext::choice_of(const SSL* ssl) {
  const auto packed = reinterpret_cast<std::uintptr_t>(SSL_get_ex_data(ssl, choice_slot()));
  if (packed == 0) return {};
  return {(packed - 1) >> 1, ((packed - 1) & 1) != 0};
}

bool ServerContext::misdirected(Choice choice, std::string_view public_name) const {
  return choice.named && choice_.misdirected(choice.certificate, public_name);
}

const Certificate& ServerContext::certificate_of(const SSL* ssl) const {
  return choice_[choice_of(ssl).certificate];
}

}  // namespace ocsproxy
