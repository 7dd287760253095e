// The key schedule of TLS 1.3 (RFC 8446 7.1) in our own hands.
//
// OpenSSL fetches the function that derives every secret of a connection, TLS13-KDF, from its
// providers, twenty times a handshake. Ours does the same with little more than the hashing, and
// it sees the traffic secrets, which the record layer needs. (OpenSSL's other way out for them, the
// key log, prints them in hexadecimal, byte by byte.)
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "tls/openssl.h"

namespace ocsproxy {

// Protects the records of one direction. Wiped in the end.
struct TrafficSecret {
  static constexpr std::size_t kLargest = 48;  // of SHA-384

  TrafficSecret() = default;
  TrafficSecret(const TrafficSecret&) = default;
  TrafficSecret& operator=(const TrafficSecret&) = default;
  ~TrafficSecret();

  bool known() const { return size != 0; }
  std::span<unsigned char> bytes() { return std::span(value).first(size); }
  std::span<const unsigned char> bytes() const { return std::span(value).first(size); }

  std::array<unsigned char, kLargest> value{};
  std::size_t size = 0;
};

// The first secrets of application data: of what the client and of what the server sends.
struct TrafficSecrets {
  TrafficSecret client, server;
};

// One a library context, used by one thread at a time.
class KeySchedule {
 public:
  using Bytes = std::span<const unsigned char>;
  enum class Hash : std::size_t { sha256, sha384 };

  // A provider of `context`, which outlives it, and from now on what its fetches prefer. Needs the
  // default provider there. Throws std::bad_alloc when OpenSSL has no memory for it.
  explicit KeySchedule(OSSL_LIB_CTX* context);
  KeySchedule(const KeySchedule&) = delete;  // the provider points at it
  KeySchedule& operator=(const KeySchedule&) = delete;
  ~KeySchedule();

  // HKDF-Expand-Label(secret, label, data, into.size()), where the label is without its "tls13 ".
  // False when something is longer than it may be, and when OpenSSL has no memory.
  bool expand_label(Hash hash, Bytes secret, std::string_view label, Bytes data,
                    std::span<unsigned char> into) {
    return expand_label(hash, secret, "tls13 ", label, data, into);
  }

  // While it lives, traffic secrets that OpenSSL derives go to `secrets`, unless null: to be made
  // around the call that may derive them, as it is not told whose they are.
  class Following {
   public:
    Following(KeySchedule& schedule, TrafficSecrets* secrets) : schedule_(schedule) {
      schedule_.secrets_ = secrets;
    }
    Following(const Following&) = delete;
    Following& operator=(const Following&) = delete;
    ~Following() { schedule_.secrets_ = nullptr; }

   private:
    KeySchedule& schedule_;
  };

 private:
  struct Hasher {
    Hasher(OSSL_LIB_CTX* context, const char* name, std::size_t block_size);

    EvpMdPtr algorithm;
    EvpMdCtxPtr context;
    std::size_t size, block_size;
    std::array<unsigned char, TrafficSecret::kLargest> of_nothing{};
  };
  struct Question;  // what OpenSSL asks for, in its parameters
  struct Provider;  // the functions that OpenSSL calls

  Hasher& hasher(Hash hash) { return hashers_[static_cast<std::size_t>(hash)]; }
  bool hmac(Hasher& hasher, Bytes key, Bytes text, unsigned char* into);
  bool expand_label(Hash hash, Bytes secret, std::string_view prefix, std::string_view label,
                    Bytes data, std::span<unsigned char> into);
  bool extract(const Question& question, std::span<unsigned char> into);
  bool answer(const OSSL_PARAM* parameters, std::span<unsigned char> into);

  ProviderPtr provider_;
  std::array<Hasher, 2> hashers_;
  TrafficSecrets* secrets_ = nullptr;
};

}  // namespace ocsproxy
