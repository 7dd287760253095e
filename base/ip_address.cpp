#include "base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/units.h"

namespace ocsproxy {
namespace {

constexpr IpAddress::Bytes kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kMappedPrefixSize = 12;

IpAddress with_host_bits(const IpAddress& address, unsigned prefix_bits, bool set) {
  IpAddress::Bytes bytes = address.bytes();
  for (unsigned bit = prefix_bits; bit < 128; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80u >> (bit % 8));
    if (set) {
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | mask);
    } else {
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~mask);
    }
  }
  return IpAddress::from_v6(bytes);
}

}  // namespace

IpAddress IpAddress::from_v4(std::uint32_t host_order) {
  IpAddress result;
  result.bytes_ = kMappedPrefix;
  for (unsigned i = 0; i < 4; ++i) {
    result.bytes_[kMappedPrefixSize + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return result;
}

IpAddress IpAddress::from_v6(const Bytes& network_order) {
  IpAddress result;
  result.bytes_ = network_order;
  return result;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  in_addr v4{};
  if (inet_pton(AF_INET, buffer, &v4) == 1) return from_v4(ntohl(v4.s_addr));
  Bytes bytes;
  if (inet_pton(AF_INET6, buffer, bytes.data()) != 1) return std::nullopt;
  const IpAddress address = from_v6(bytes);
  if (address.is_v4()) return std::nullopt;
  return address;
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.begin() + kMappedPrefixSize,
                    bytes_.begin());
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[kMappedPrefixSize] == 127;
  return bytes_ == Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

bool IpAddress::is_unspecified() const { return is_v4() ? v4() == 0 : bytes_ == Bytes{}; }

std::uint32_t IpAddress::v4() const {
  std::uint32_t value = 0;
  for (std::size_t i = kMappedPrefixSize; i < 16; ++i) value = value << 8 | bytes_[i];
  return value;
}

std::string_view IpAddress::write(std::span<char, kTextSize> buffer) const {
  static_assert(kTextSize >= INET6_ADDRSTRLEN);
  if (!is_v4()) {
    inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size());
    return buffer.data();
  }
  // Each request writes some; inet_ntop goes through printf.
  char* end = buffer.data();
  for (std::size_t i = kMappedPrefixSize; i < bytes_.size(); ++i) {
    if (i != kMappedPrefixSize) *end++ = '.';
    end = std::to_chars(end, buffer.data() + buffer.size(), static_cast<unsigned>(bytes_[i])).ptr;
  }
  return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
}

std::string IpAddress::to_string() const {
  char buffer[kTextSize];
  return std::string(write(buffer));
}

std::optional<IpAddress> IpAddress::next() const {
  Bytes bytes = bytes_;
  for (auto it = bytes.rbegin(); it != bytes.rend(); ++it) {
    if (++*it != 0) return from_v6(bytes);
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::previous() const {
  Bytes bytes = bytes_;
  for (auto it = bytes.rbegin(); it != bytes.rend(); ++it) {
    if ((*it)-- != 0) return from_v6(bytes);
  }
  return std::nullopt;
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const auto base = IpAddress::parse(text.substr(0, slash));
    const auto bits = parse_number(text.substr(slash + 1));
    if (!base || !bits || *bits > (base->is_v4() ? 32 : 128)) return std::nullopt;
    const auto prefix = static_cast<unsigned>(*bits) + (base->is_v4() ? 96 : 0);
    if (with_host_bits(*base, prefix, false) != *base) return std::nullopt;
    return AddressRange{*base, with_host_bits(*base, prefix, true)};
  }
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = IpAddress::parse(text.substr(0, dash));
    const auto last = IpAddress::parse(text.substr(dash + 1));
    if (!first || !last || first->is_v4() != last->is_v4() || *last < *first) return std::nullopt;
    return AddressRange{*first, *last};
  }
  const auto single = IpAddress::parse(text);
  if (!single) return std::nullopt;
  return AddressRange{*single, *single};
}

std::string AddressRange::to_string() const {
  if (first == last) return first.to_string();
  const unsigned family_bits = first.is_v4() ? 96 : 0;
  for (unsigned prefix = family_bits; prefix < 128; ++prefix) {
    if (with_host_bits(first, prefix, false) == first &&
        with_host_bits(first, prefix, true) == last) {
      return first.to_string() + '/' + std::to_string(prefix - family_bits);
    }
  }
  return first.to_string() + '-' + last.to_string();
}

}  // namespace ocsproxy
