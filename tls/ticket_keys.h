// The keys of session tickets: what lets a client resume its TLS session at any worker without the
// proxy keeping state for it (RFC 5077, RFC 8446 4.6.1).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tls/openssl.h"
#include "tls/secret.h"

namespace ocsproxy {

// An immutable set of keys, shared by all workers and replaced as a whole: a new set is posted to
// each worker, so reading it costs no lock. Tickets are made under the newest key; those of the
// two keys before it are still accepted. The keys live in memory alone and are wiped with the set.
class TicketKeys {
 public:
  // How often a new key should be made. Three keys live, so a ticket can be used for at least
  // twice as long, which is longer than kTicketLifetime.
  static constexpr std::chrono::hours kRotation{12};
  static constexpr std::size_t kKept = 3;

  static constexpr std::size_t kNameSize = 16;
  struct Key {
    std::array<unsigned char, kNameSize> name;  // stands in the ticket, not secret
    Secret cipher{32};                          // AES-256-CBC
    Secret mac{32};                             // HMAC-SHA256
  };

  // A set with one new key.
  static std::shared_ptr<const TicketKeys> make(const Library& library);
  // A new key in front of this set's newest two.
  std::shared_ptr<const TicketKeys> rotated(const Library& library) const;

  const Key& newest() const { return *keys_.front(); }
  // Null when the ticket was made under a key that is no longer (or was never) ours.
  const Key* find(std::span<const unsigned char, kNameSize> name) const;

 private:
  explicit TicketKeys(std::vector<std::shared_ptr<const Key>> keys) : keys_(std::move(keys)) {}

  std::vector<std::shared_ptr<const Key>> keys_;  // the newest first
};

}  // namespace ocsproxy
