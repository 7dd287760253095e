#include "tls/record_layer.h"

#include <algorithm>

#include <openssl/err.h>

#include "tls/post_handshake.h"

namespace ocsproxy {
namespace {

// RFC 6066 4.
bool wants_short_records(const SSL* ssl) {
  return SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl)) !=
         TLSEXT_max_fragment_length_DISABLED;
}

RecordLayer::Opened refused(int alert, const char* offence) {
  return {.alert = alert, .offence = offence};
}

}  // namespace

// ---- following the handshake

void RecordLayer::watch(SSL* ssl) {
  followed_ = std::make_unique<Followed>();
  SSL_set_msg_callback(ssl, &RecordLayer::on_message);
  SSL_set_msg_callback_arg(ssl, this);
}

// Counts the records that OpenSSL has read and written under the latest keys: in TLS 1.3 a server's
// tickets, in TLS 1.2 everything from Finished on. (A ChangeCipherSpec of TLS 1.3 means nothing.)
void RecordLayer::on_message(int writes, int, int type, const void* data, std::size_t size,
                             SSL* ssl, void* layer) {
  Followed* const known = static_cast<RecordLayer*>(layer)->followed_.get();
  if (known == nullptr || type != SSL3_RT_HEADER || size == 0) return;
  const int content = *static_cast<const unsigned char*>(data);
  const bool tls1_3 = SSL_version(ssl) == TLS1_3_VERSION;
  const bool of_server = (SSL_is_server(ssl) == 1) == (writes != 0);
  const TrafficSecret& secret = of_server ? known->secrets.server : known->secrets.client;
  const auto count = [&](bool& changed, std::uint64_t& records) {
    const bool counts = tls1_3 ? secret.known() && content == SSL3_RT_APPLICATION_DATA : changed;
    if (counts) ++records;
    if (!tls1_3 && content == SSL3_RT_CHANGE_CIPHER_SPEC) changed = true;
  };
  if (writes != 0) {
    count(known->write_changed, known->records_written);
  } else {
    count(known->read_changed, known->records_read);
  }
}

BothWays RecordLayer::after_openssl(SSL* ssl, TrafficKeys& keys) const {
  if (followed_ == nullptr || !followed_->read_changed || !followed_->write_changed ||
      wants_short_records(ssl)) {
    return {};
  }
  BothWays made = keys.derive_tls1_2(ssl);
  made.in.set_sequence(followed_->records_read);
  made.out.set_sequence(followed_->records_written);
  return made;
}

void RecordLayer::engage(SSL* ssl, TrafficKeys& keys) {
  if (SSL_version(ssl) == TLS1_2_VERSION) return;
  const std::unique_ptr<Followed> known = std::move(followed_);
  SSL_set_msg_callback(ssl, nullptr);
  if (known == nullptr || !known->secrets.client.known() || !known->secrets.server.known() ||
      SSL_version(ssl) != TLS1_3_VERSION || wants_short_records(ssl)) {
    return;
  }
  const auto begin = [&](Direction& direction, const TrafficSecret& secret,
                         std::uint64_t sequence) {
    direction.secret = secret;
    direction.protection = keys.derive(keys.cipher_of(SSL_get_current_cipher(ssl)), secret.bytes());
    direction.protection.set_sequence(sequence);
    return static_cast<bool>(direction.protection);
  };
  const bool server = SSL_is_server(ssl) == 1;
  const auto& [clients, servers] = known->secrets;
  if (!begin(in_, server ? clients : servers, known->records_read) ||
      !begin(out_, server ? servers : clients, known->records_written)) {
    ERR_clear_error();
    return;
  }
  if (!server) openssl_in_ = std::make_unique<RecordProtection>(in_.protection.twin());
  keys_ = &keys;
}

void RecordLayer::shed() {
  in_.protection.shed();
  out_.protection.shed();
}

bool RecordLayer::update(Direction& direction) {
  RecordProtection next = keys_->update(direction.protection.cipher(), direction.secret.bytes());
  if (!next) return false;
  direction.protection = std::move(next);
  return true;
}

std::span<const char> RecordLayer::for_openssl(std::span<const char> message, char* out) {
  const char type = SSL3_RT_HANDSHAKE;
  const std::size_t size = openssl_in_->seal(message, {}, {&type, 1}, out);
  openssl_in_->shed();  // tickets are rare
  return {out, size};
}

// ---- records

RecordLayer::Opened RecordLayer::open(std::span<const char> record, char* out) {
  if (!in_.protection.open(record, out)) {
    ERR_clear_error();
    return refused(SSL_AD_BAD_RECORD_MAC, "decryption failed or bad record mac");
  }
  std::size_t size = record.size() - RecordProtection::kHeaderSize - RecordProtection::kTagSize;
  if (size > RecordProtection::kLargestContent + 1)
    return refused(SSL_AD_RECORD_OVERFLOW, "a TLS record is too long");
  while (size > 0 && out[size - 1] == 0) --size;
  if (size == 0) return refused(SSL_AD_UNEXPECTED_MESSAGE, "a TLS record has no type");
  const int type = static_cast<unsigned char>(out[size - 1]);
  const std::span<const char> content(out, size - 1);
  if (type == SSL3_RT_APPLICATION_DATA) {
    empty_records_ = content.empty() ? static_cast<std::uint8_t>(empty_records_ + 1) : 0;
    if (empty_records_ > kMostEmptyRecords)
      return refused(SSL_AD_UNEXPECTED_MESSAGE, kEmptyRecords);
  } else if ((type != SSL3_RT_ALERT && type != SSL3_RT_HANDSHAKE) || content.empty()) {
    return refused(SSL_AD_UNEXPECTED_MESSAGE, "a TLS record has a type that has no place here");
  }
  return {.type = type, .content = content};
}

std::size_t RecordLayer::seal(char type, std::span<const char> first, std::span<const char> second,
                              char* out) {
  return out_.protection.seal(first, second, {&type, 1}, out);
}

}  // namespace ocsproxy
