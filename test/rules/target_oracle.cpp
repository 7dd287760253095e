#include "target_oracle.h"

#include <cctype>
#include <cstdio>
#include <vector>

namespace ocsproxy::rules {
namespace {

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

bool is_unescaped(unsigned char byte) {
  static const std::string kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@";
  return kAllowed.find(static_cast<char>(byte)) != std::string::npos;
}

// One byte of the path, as the origin would see it; nothing when it must be refused.
std::optional<std::string> canonical_byte(unsigned char byte) {
  if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\') return std::nullopt;
  if (is_unescaped(byte)) return std::string(1, static_cast<char>(byte));
  char text[4];
  std::snprintf(text, sizeof text, "%%%02X", byte);
  return text;
}

// RFC 3629, by the value that each sequence has.
bool is_utf8(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xc0 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                                           : 4;
    if (size == 0 || lead > 0xf7 || i + size > text.size()) return false;
    unsigned value = size == 1 ? lead : lead & (0xffu >> (size + 1));
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      value = value << 6 | (next & 0x3f);
    }
    static constexpr unsigned kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kLeast[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
      return false;
    i += size;
  }
  return true;
}

std::optional<std::string> canonical_segment(const std::string& raw) {
  std::string result, decoded;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    auto byte = static_cast<unsigned char>(raw[i]);
    if (raw[i] == '%') {
      if (i + 2 >= raw.size() || !is_hex(raw[i + 1]) || !is_hex(raw[i + 2])) return std::nullopt;
      byte = static_cast<unsigned char>(std::stoi(raw.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
    const auto text = canonical_byte(byte);
    if (!text) return std::nullopt;
    result += *text;
    decoded += static_cast<char>(byte);
  }
  if (!is_utf8(decoded)) return std::nullopt;
  return result;
}

bool ends_badly(const std::string& text) { return text.ends_with(".") || text.ends_with("%20"); }

bool is_refused_segment(const std::string& segment) {
  if (segment == "." || segment == "..") return false;
  if (segment.starts_with(".;") || segment.starts_with("..;")) return true;
  if (ends_badly(segment) || ends_badly(segment.substr(0, segment.find(';')))) return true;
  return segment.find(":$") != std::string::npos;
}

bool is_double_encoded(const std::string& segment) {
  for (std::size_t i = 0; i + 4 < segment.size(); ++i) {
    if (segment.substr(i, 3) == "%25" && is_hex(segment[i + 3]) && is_hex(segment[i + 4])) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

}  // namespace

std::optional<OracleTarget> oracle_canonicalize(std::string_view target) {
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') return std::nullopt;
  }
  const std::string all(target);
  const auto question = all.find('?');
  OracleTarget result;
  if (question != std::string::npos) result.query = all.substr(question);

  // Segments: decoded, empty ones dropped (slashes merged), then the dots.
  std::vector<std::string> kept;
  bool ends_in_directory = false;
  for (const std::string& raw :
       split(all.substr(1, question == std::string::npos ? std::string::npos : question - 1))) {
    const auto segment = canonical_segment(raw);
    if (!segment || is_refused_segment(*segment)) return std::nullopt;
    result.double_encoded = result.double_encoded || is_double_encoded(*segment);
    for (std::size_t i = 0; i + 1 < segment->size(); ++i) {
      if ((*segment)[i] == '%' && (*segment)[i + 1] >= '8') result.high_bit = true;
    }
    ends_in_directory = segment->empty() || *segment == "." || *segment == "..";
    if (*segment == "..") {
      if (kept.empty()) return std::nullopt;
      kept.pop_back();
    } else if (!segment->empty() && *segment != ".") {
      kept.push_back(*segment);
    }
  }
  for (const std::string& segment : kept) result.path += '/' + segment;
  if (ends_in_directory || kept.empty()) result.path += '/';
  return result;
}

}  // namespace ocsproxy::rules
