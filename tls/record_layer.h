// The record layer of TLS 1.3, beside the one inside OpenSSL.
//
// OpenSSL does the handshake. From its end on records are sealed and opened here with the same
// keys, by OpenSSL's ciphers, straight from and to the caller's buffers: no copy, and a third of
// the instructions. The secrets come from the key schedule.
//
// A connection is not taken over, and stays OpenSSL's altogether, before TLS 1.3, with a cipher
// that is not known here, and when the peer asked for short records (RFC 6066 4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "tls/key_schedule.h"
#include "tls/openssl.h"
#include "tls/traffic_keys.h"

namespace ocsproxy {

// Worker's thread only.
class RecordLayer {
 public:
  RecordLayer() = default;
  RecordLayer(const RecordLayer&) = delete;  // the SSL object points at it
  RecordLayer& operator=(const RecordLayer&) = delete;

  // Before the handshake; `ssl` is gone before this object.
  void watch(SSL* ssl);
  // Where the key schedule is to leave the connection's secrets; null when they are not wanted.
  TrafficSecrets* wanted() { return followed_ == nullptr ? nullptr : &followed_->secrets; }
  // After it: takes the connection over, if it can. `keys` outlives this object. Later on `ssl` may
  // be destroyed, or be given what `for_openssl` makes; what it writes is not to be sent.
  void engage(SSL* ssl, TrafficKeys& keys);
  bool engaged() const { return keys_ != nullptr; }
  // With what to go on, from the next record of each direction on, in a connection of TLS 1.2,
  // whose records are OpenSSL's; empty of any other one. `ssl` has read no part of a record.
  BothWays after_openssl(SSL* ssl, TrafficKeys& keys) const;
  // The same of what is sent by a connection that is engaged.
  const RecordProtection& sealing() const { return out_.protection; }
  // Gives back the memory that only the next record needs: a connection falls idle.
  void shed();

  struct Opened {
    int type = 0;              // SSL3_RT_APPLICATION_DATA, ..._ALERT or ..._HANDSHAKE; else:
    int alert = 0;             // what the peer must be told, with
    const char* offence = "";  // what it did, for the administrator
    std::span<const char> content{};
  };
  // `record`: a whole record of type application_data that can hold a tag. Its inner plaintext is
  // written to `out` (record.size() - 21 bytes), which may be where its body lies.
  Opened open(std::span<const char> record, char* out);
  // The record of `first` and `second`, together at most kLargestContent bytes, to `out`. Returns
  // its size, 0 when OpenSSL has no memory.
  std::size_t seal(char type, std::span<const char> first, std::span<const char> second, char* out);
  std::uint64_t sealed() const { return out_.protection.sequence(); }

  // New keys for one direction (RFC 8446 7.2); the old ones are wiped. False when OpenSSL has no
  // memory.
  bool update_read_keys() { return update(in_); }
  bool update_write_keys() { return update(out_); }

  // A post-handshake message, or a part of one of at most kLargestContent bytes, as the record that
  // OpenSSL expects next; in `out`, kLargestRecord bytes. Sealed with the peer's keys, it must not
  // leave the process. Empty when OpenSSL has no memory.
  std::span<const char> for_openssl(std::span<const char> message, char* out);

 private:
  // What was derived and counted while the handshake runs; of a connection of TLS 1.2 as long as it
  // lives.
  struct Followed {
    TrafficSecrets secrets;
    std::uint64_t records_read = 0, records_written = 0;  // by OpenSSL, under the latest keys
    bool read_changed = false, write_changed = false;     // ChangeCipherSpec of TLS 1.2
  };
  struct Direction {
    RecordProtection protection;
    TrafficSecret secret;
  };
  static void on_message(int writes, int version, int type, const void* data, std::size_t size,
                         SSL* ssl, void* layer);
  bool update(Direction& direction);

  TrafficKeys* keys_ = nullptr;
  std::unique_ptr<Followed> followed_;
  Direction in_, out_;
  // OpenSSL's own idea of what it reads: the first keys, and the number of the next record.
  std::unique_ptr<RecordProtection> openssl_in_;
  std::uint8_t empty_records_ = 0;  // in a row
};

}  // namespace ocsproxy
