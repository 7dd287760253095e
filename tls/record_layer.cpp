#include "tls/record_layer.h"

#include <algorithm>

namespace ocsproxy {
namespace {

// OpenSSL's own bound: more of them in a row than any implementation sends.
constexpr std::uint8_t kMostEmptyRecords = 32;
constexpr char kDataType[] = {SSL3_RT_APPLICATION_DATA};

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

}  // namespace

RecordLayer::Secrets::~Secrets() {
  OPENSSL_cleanse(read.data(), read.size());
  OPENSSL_cleanse(write.data(), write.size());
}

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

void RecordLayer::on_message(int writes, int, int type, const void* data, std::size_t size, SSL*,
                             void* layer) {
  auto& self = *static_cast<RecordLayer*>(layer);
  if (size == 0) return;
  const unsigned char first = *static_cast<const unsigned char*>(data);
  if (type == SSL3_RT_HEADER && first == SSL3_RT_APPLICATION_DATA && self.secrets_ != nullptr) {
    Secrets& known = *self.secrets_;
    if (writes != 0 ? known.write_size != 0 : known.read_size != 0)
      ++(writes != 0 ? known.records_written : known.records_read);
  }
  // It is processed right after this, and the count begins anew.
  if (type == SSL3_RT_HANDSHAKE && first == SSL3_MT_KEY_UPDATE && writes == 0) self.reads_ = false;
}

void RecordLayer::engage(SSL* ssl, TrafficKeys& keys) {
  const std::unique_ptr<Secrets> known = std::move(secrets_);
  if (known == nullptr) return;
  if (SSL_version(ssl) == TLS1_3_VERSION && known->read_size != 0 && known->write_size != 0) {
    const SSL_CIPHER* const suite = SSL_get_current_cipher(ssl);
    in_ = keys.derive(suite, std::span(known->read).first(known->read_size));
    out_ = keys.derive(suite, std::span(known->write).first(known->write_size));
  }
  reads_ = writes_ = in_ && out_;
  if (!reads_) {
    SSL_set_msg_callback(ssl, nullptr);
    return;
  }
  openssl_in_ = known->records_read;
  openssl_out_ = known->records_written;
  in_.set_sequence(openssl_in_);
  out_.set_sequence(openssl_out_);
}

void RecordLayer::shed() {
  in_.shed();
  out_.shed();
}

// ---- reading

RecordLayer::Opened RecordLayer::open(std::span<const char> record, char* out) {
  if (!in_.open(record, out)) return {Record::forged, {}};
  std::size_t size = record.size() - RecordProtection::kHeaderSize - RecordProtection::kTagSize;
  const std::span<const char> inner(out, size);
  // Too long a content is an offence that OpenSSL punishes (RFC 8446 5.4), as is one without type.
  if (size > RecordProtection::kLargestContent + 1) return {Record::control, inner};
  while (size > 0 && out[size - 1] == 0) --size;
  if (size == 0 || out[size - 1] != SSL3_RT_APPLICATION_DATA) return {Record::control, inner};
  const std::span<const char> content = inner.first(size - 1);
  empty_records_ = content.empty() ? static_cast<std::uint8_t>(empty_records_ + 1) : 0;
  if (empty_records_ > kMostEmptyRecords) return {Record::forged, {}};
  return {Record::data, content};
}

std::span<const char> RecordLayer::for_openssl(std::span<const char> content, char* out) {
  return {out, in_.at(openssl_in_++).seal(content, {}, {}, out)};
}

std::string_view RecordLayer::rubbish() {
  using namespace std::string_view_literals;
  return "\x17\x03\x03\x00\x20"
         "no peer has ever sealed this one"sv;
}

// ---- writing

std::size_t RecordLayer::seal(std::span<const char> first, std::span<const char> second,
                              char* out) {
  return out_.seal(first, second, kDataType, out);
}

bool RecordLayer::renumber(std::span<char> record) {
  constexpr std::size_t kLeast = RecordProtection::kHeaderSize + RecordProtection::kTagSize;
  if (record.size() < kLeast || record[0] != SSL3_RT_APPLICATION_DATA) return false;
  char* const inner = record.data() + RecordProtection::kHeaderSize;
  const std::size_t size = record.size() - kLeast;
  if (!out_.at(openssl_out_++).open(record, inner)) return false;
  // OpenSSL pads nothing.
  if (size > 1 && inner[size - 1] == SSL3_RT_HANDSHAKE && inner[0] == SSL3_MT_KEY_UPDATE)
    writes_ = false;
  return out_.seal({inner, size}, {}, {}, record.data()) == record.size();
}

}  // namespace ocsproxy
