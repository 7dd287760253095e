// The record layer of TLS 1.3 for application data, beside the one inside OpenSSL.
//
// OpenSSL does the handshake and everything that is not application data: tickets, alerts, key
// updates. Application data, which is all the rest of a connection's life, is sealed and opened
// here with the same keys, by OpenSSL's ciphers, straight from and to the caller's buffers: no
// copy, and a third of the instructions.
//
// The keys come by the key log, OpenSSL's documented way out for them. Both sides number their
// records, and OpenSSL sees only some; so what it shall see is sealed again under the number that
// it expects next, and what it writes is sealed again under the number that the peer expects. A key
// update begins both counts anew: from then on that direction is OpenSSL's altogether. So is
// everything before TLS 1.3.
//
// Nothing that failed to authenticate is ever shown to OpenSSL: under its older number it might be
// the replay of a record that was genuine once. It gets rubbish instead, and does what is to be
// done about a forgery.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "tls/openssl.h"
#include "tls/traffic_keys.h"

namespace ocsproxy {

// Worker's thread only.
class RecordLayer {
 public:
  RecordLayer() = default;
  RecordLayer(const RecordLayer&) = delete;  // the SSL object points at it
  RecordLayer& operator=(const RecordLayer&) = delete;

  // For contexts whose connections may be watched.
  static void prepare(SSL_CTX* context);
  // Before the handshake; `ssl` is gone before this object, or never used again.
  void watch(SSL* ssl);
  // After it: takes over what it can. `keys` outlives this object.
  void engage(SSL* ssl, TrafficKeys& keys);
  // Which directions are ours now?
  bool reads() const { return reads_; }
  bool writes() const { return writes_; }
  void shed();

  enum class Record : std::uint8_t {
    data,     // `content` is the caller's
    control,  // `content` goes to OpenSSL by `for_openssl`
    forged,   // OpenSSL is given `rubbish`
  };
  struct Opened {
    Record record;
    std::span<const char> content;
  };
  // While reads(). `record`: a whole record of type application_data that can hold a tag. Its inner
  // plaintext is written to `out` (record.size() - 21 bytes), which may be where its body lies.
  Opened open(std::span<const char> record, char* out);
  // The record in which OpenSSL gets a control's content; in `out`, kLargestRecord bytes. Empty
  // when OpenSSL has no memory.
  std::span<const char> for_openssl(std::span<const char> content, char* out);
  static std::string_view rubbish();

  // While writes(). The record of `first` and `second`, together at most kLargestContent bytes, to
  // `out`. Returns its size, 0 on failure.
  std::size_t seal(std::span<const char> first, std::span<const char> second, char* out);
  // A whole record that OpenSSL wrote, in place: as the peer expects it. False on failure. After a
  // key update writing is OpenSSL's.
  bool renumber(std::span<char> record);

 private:
  // What the key log said, while the handshake runs.
  struct Secrets {
    ~Secrets();
    std::array<unsigned char, 48> read{}, write{};
    std::size_t read_size = 0, write_size = 0;
    std::uint64_t records_read = 0, records_written = 0;  // by OpenSSL, under these secrets
  };
  static void on_key_log(const SSL* ssl, const char* line);
  static void on_message(int writes, int version, int type, const void* data, std::size_t size,
                         SSL* ssl, void* layer);

  std::unique_ptr<Secrets> secrets_;
  RecordProtection in_, out_;
  std::uint64_t openssl_in_ = 0, openssl_out_ = 0;  // the numbers that OpenSSL expects next
  bool reads_ = false, writes_ = false;
  std::uint8_t empty_records_ = 0;  // in a row
};

}  // namespace ocsproxy
