#include "tls/post_handshake.h"

#include <cstdint>

namespace ocsproxy {
namespace {

// What is counted fits into the pointer that an SSL object keeps for us, so that no connection
// allocates for it: bit 0 says that the peer tried to renegotiate, the rest counts key updates.
int slot() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

std::uintptr_t load(const SSL* ssl) {
  return reinterpret_cast<std::uintptr_t>(SSL_get_ex_data(ssl, slot()));
}

void store(const SSL* ssl, std::uintptr_t value) {
  SSL_set_ex_data(const_cast<SSL*>(ssl), slot(), reinterpret_cast<void*>(value));
}

void on_event(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT &&
      (value & 0xff) == SSL_AD_NO_RENEGOTIATION) {
    store(ssl, load(ssl) | 1);
    return;
  }
  if ((where & SSL_CB_LOOP) == 0) return;
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
  if (state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE) store(ssl, load(ssl) + 2);
}

}  // namespace

void watch_post_handshake(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_info_callback(context, on_event);
}

std::string_view misconduct(const SSL* ssl) {
  const std::uintptr_t seen = load(ssl);
  if ((seen & 1) != 0) {
    return SSL_is_server(ssl) == 1 ? kClientRenegotiates : kSiteRenegotiates;
  }
  if (seen >> 1 > kMostKeyUpdates) return kTooManyKeyUpdates;
  return {};
}

}  // namespace ocsproxy
