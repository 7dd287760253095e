#include "tls/record_layer.h"

#include <algorithm>

#include <openssl/err.h>

namespace ocsproxy {
namespace {

// OpenSSL's own bound: more of them in a row than any implementation sends.
constexpr std::uint8_t kMostEmptyRecords = 32;

int layer_slot() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Returns the number of bytes, 0 when it is no hexadecimal text that fits.
std::size_t decode_hex(std::string_view text, std::span<unsigned char> into) {
  if (text.size() % 2 != 0 || text.size() / 2 > into.size()) return 0;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return 0;
    into[i / 2] = static_cast<unsigned char>(high << 4 | low);
  }
  return text.size() / 2;
}

RecordLayer::Opened refused(int alert, const char* offence) {
  return {.alert = alert, .offence = offence};
}

}  // namespace

RecordLayer::Secrets::~Secrets() {
  OPENSSL_cleanse(read.data(), read.size());
  OPENSSL_cleanse(write.data(), write.size());
}

RecordLayer::Direction::~Direction() { OPENSSL_cleanse(secret.data(), secret.size()); }

// ---- following the handshake

void RecordLayer::prepare(SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context, &RecordLayer::on_key_log);
}

void RecordLayer::watch(SSL* ssl) {
  if (SSL_set_ex_data(ssl, layer_slot(), this) != 1) return;
  secrets_ = std::make_unique<Secrets>();
  SSL_set_msg_callback(ssl, &RecordLayer::on_message);
  SSL_set_msg_callback_arg(ssl, this);
}

// "CLIENT_TRAFFIC_SECRET_0 <client random> <secret>", in hexadecimal; called when OpenSSL itself
// begins to use the secret.
void RecordLayer::on_key_log(const SSL* ssl, const char* line) {
  auto* const layer = static_cast<RecordLayer*>(SSL_get_ex_data(ssl, layer_slot()));
  if (layer == nullptr || layer->secrets_ == nullptr) return;
  const std::string_view text(line);
  const bool clients = text.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
  if (!clients && !text.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
  const std::string_view secret = text.substr(text.rfind(' ') + 1);
  Secrets& known = *layer->secrets_;
  if (clients == (SSL_is_server(ssl) == 1)) {
    known.read_size = decode_hex(secret, known.read);
  } else {
    known.write_size = decode_hex(secret, known.write);
  }
}

// Counts the records that OpenSSL has read and written under these secrets: a server's tickets.
void RecordLayer::on_message(int writes, int, int type, const void* data, std::size_t size, SSL*,
                             void* layer) {
  Secrets* const known = static_cast<RecordLayer*>(layer)->secrets_.get();
  if (known == nullptr || type != SSL3_RT_HEADER || size == 0 ||
      *static_cast<const unsigned char*>(data) != SSL3_RT_APPLICATION_DATA) {
    return;
  }
  if (writes != 0) {
    if (known->write_size != 0) ++known->records_written;
  } else {
    if (known->read_size != 0) ++known->records_read;
  }
}

void RecordLayer::engage(SSL* ssl, TrafficKeys& keys) {
  const std::unique_ptr<Secrets> known = std::move(secrets_);
  SSL_set_msg_callback(ssl, nullptr);
  if (known == nullptr || known->read_size == 0 || known->write_size == 0 ||
      SSL_version(ssl) != TLS1_3_VERSION ||
      SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl)) !=
          TLSEXT_max_fragment_length_DISABLED) {
    return;
  }
  const auto begin = [&](Direction& direction, const std::array<unsigned char, 48>& secret,
                         std::size_t size, std::uint64_t sequence) {
    direction.secret = secret;
    direction.secret_size = static_cast<std::uint8_t>(size);
    direction.protection =
        keys.derive(keys.cipher_of(SSL_get_current_cipher(ssl)), std::span(secret).first(size));
    direction.protection.set_sequence(sequence);
    return static_cast<bool>(direction.protection);
  };
  if (!begin(in_, known->read, known->read_size, known->records_read) ||
      !begin(out_, known->write, known->write_size, known->records_written)) {
    ERR_clear_error();
    return;
  }
  if (SSL_is_server(ssl) != 1)
    openssl_in_ = std::make_unique<RecordProtection>(in_.protection.twin());
  keys_ = &keys;
}

void RecordLayer::shed() {
  in_.protection.shed();
  out_.protection.shed();
}

bool RecordLayer::update(Direction& direction) {
  RecordProtection next = keys_->update(direction.protection.cipher(),
                                        std::span(direction.secret).first(direction.secret_size));
  if (!next) return false;
  direction.protection = std::move(next);
  return true;
}

std::span<const char> RecordLayer::for_openssl(std::span<const char> message, char* out) {
  const char type = SSL3_RT_HANDSHAKE;
  // Each use is another number than that of any record that was ever sent with these keys by us:
  // they are the peer's.
  return {out, openssl_in_->seal(message, {}, {&type, 1}, out)};
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
      return refused(SSL_AD_UNEXPECTED_MESSAGE, "the peer sends empty TLS records without end");
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
