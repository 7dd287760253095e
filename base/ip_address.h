// IP addresses without a socket library: rules/ asks about them and does no I/O.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ocsproxy {

// An IPv4 or IPv6 address. IPv4 is kept as its IPv4-mapped IPv6 form (::ffff:a.b.c.d), so that one
// order covers both; no configured or received address is ever IPv4-mapped by itself, because
// `parse` refuses that form and `from_v6` unmaps it.
class IpAddress {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  IpAddress() = default;  // ::
  static IpAddress from_v4(std::uint32_t host_order);
  static IpAddress from_v6(const Bytes& network_order);
  // "192.0.2.1", "2001:db8::1"; no brackets, no zone; "::ffff:192.0.2.1" is refused.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const;
  bool is_loopback() const;     // 127.0.0.0/8 or ::1
  bool is_unspecified() const;  // 0.0.0.0 or ::
  std::uint32_t v4() const;     // precondition: is_v4(); host order
  const Bytes& bytes() const { return bytes_; }
  std::string to_string() const;
  // The same without allocation, as a part of `buffer`.
  static constexpr std::size_t kTextSize = 46;
  std::string_view write(std::span<char, kTextSize> buffer) const;

  // The neighbours in the 128-bit order; empty at either end of it.
  std::optional<IpAddress> next() const;
  std::optional<IpAddress> previous() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Bytes bytes_{};
};

// All addresses from `first` to `last`, both included. Never crosses between IPv4 and IPv6.
struct AddressRange {
  IpAddress first;
  IpAddress last;

  // "10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "10.0.0.1-10.0.0.99". A CIDR whose host bits are
  // not zero is refused: it is a typo more often than an intention.
  static std::optional<AddressRange> parse(std::string_view text);
  bool contains(const IpAddress& address) const {
    return first <= address && address <= last && same_family(address);
  }
  bool overlaps(const AddressRange& other) const {
    return first <= other.last && other.first <= last && same_family(other.first);
  }
  std::string to_string() const;  // CIDR where it is one, else "first-last"
  // The order of the addresses alone would put IPv4 in the middle of "::/0".
  bool same_family(const IpAddress& address) const { return first.is_v4() == address.is_v4(); }

  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

}  // namespace ocsproxy
