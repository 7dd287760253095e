#include "proxy/authentication.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"

namespace ocsproxy {
namespace {

bool authenticates_each_request(std::string_view scheme) {
  return iequals(scheme, "basic") || iequals(scheme, "bearer") || iequals(scheme, "digest");
}

// Reads the grammar of RFC 9110 11.2 to 11.6 from left to right; each step that finds what it looks
// for consumes it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  // The field's next character is there and is `c`.
  bool at(char c) const { return rest_.starts_with(c); }

  std::string_view token() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), [](char c) {
      return is_token_char(static_cast<unsigned char>(c));
    });
    return take(static_cast<std::size_t>(end - rest_.begin()));
  }
  bool character(char c) {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // True when there was any.
  bool white_space() {
    const std::size_t end = std::min(rest_.find_first_not_of(" \t"), rest_.size());
    rest_.remove_prefix(end);
    return end != 0;
  }
  bool token68() {
    const std::size_t before = rest_.size();
    while (!rest_.empty() && is_token68_char(rest_.front())) rest_.remove_prefix(1);
    if (rest_.size() == before) return false;
    while (character('=')) {
    }
    return true;
  }
  bool quoted_string() {
    if (!character('"')) return false;
    while (!rest_.empty()) {
      if (character('"')) return true;
      rest_.remove_prefix(at('\\') && rest_.size() > 1 ? 2 : 1);
    }
    return false;
  }
  // name BWS "=" BWS ( token / quoted-string )
  bool parameter() {
    if (token().empty()) return false;
    white_space();
    if (!character('=')) return false;
    white_space();
    return at('"') ? quoted_string() : !token().empty();
  }
  // Up to the next comma or the end; only white space may stand before it.
  bool end_of_element() {
    white_space();
    return at_end() || at(',');
  }

 private:
  static bool is_token68_char(char c) {
    return is_alpha(c) || is_digit(c) ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  }
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
};

// Tries a step on a copy, and keeps what it consumed when an element ends there.
template <typename Step>
bool element(Scanner& scanner, Step step) {
  Scanner trial = scanner;
  if (!step(trial) || !trial.end_of_element()) return false;
  scanner = trial;
  return true;
}

bool parameters_to_end(Scanner& scanner) {
  while (true) {
    while (scanner.white_space() || scanner.character(',')) {
    }
    if (scanner.at_end()) return true;
    if (!element(scanner, [](Scanner& s) { return s.parameter(); })) return false;
  }
}

// Credentials that authenticate their request alone, in the form that their scheme has.
bool authenticates_its_request(std::string_view credentials) {
  Scanner scanner(credentials);
  const std::string_view scheme = scanner.token();
  if (!authenticates_each_request(scheme) || !scanner.white_space()) return false;
  if (iequals(scheme, "digest")) return !scanner.at_end() && parameters_to_end(scanner);
  return scanner.token68() && scanner.at_end();
}

// A list of challenges, all of which ask for authentication of each request.
bool offers_only_request_authentication(std::string_view challenges) {
  Scanner scanner(challenges);
  bool in_challenge = false;  // parameters may follow
  while (true) {
    while (scanner.white_space() || scanner.character(',')) {
    }
    if (scanner.at_end()) return in_challenge;
    // A parameter of the challenge before, or a new challenge: "name =" tells them apart.
    if (in_challenge && element(scanner, [](Scanner& s) { return s.parameter(); })) continue;
    if (!authenticates_each_request(scanner.token())) return false;
    in_challenge = true;
    const bool more = scanner.white_space();
    if (scanner.at_end() || scanner.at(',')) continue;
    if (!more) return false;
    if (element(scanner, [](Scanner& s) { return s.parameter(); })) continue;
    if (element(scanner, [](Scanner& s) { return s.token68(); })) continue;
    return false;
  }
}

bool says_persistent(const FieldView& field) {
  return iequals(field.name, "persistent-auth") && !iequals(field.value, "false");
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

bool request_authenticates_connection(const RequestHead& head) {
  if (!head.fields.has(FieldId::authorization)) return false;
  return head.fields.count(FieldId::authorization) > 1 ||
         !authenticates_its_request(head.fields.value(FieldId::authorization));
}

bool response_offers_connection_authentication(const ResponseHead& head) {
  return std::any_of(head.fields.begin(), head.fields.end(), [](const FieldView& field) {
    if (field.id == FieldId::www_authenticate) {
      return !offers_only_request_authentication(field.value);
    }
    return field.id == FieldId::other && says_persistent(field);
  });
}

std::string_view claimed_user(const RequestHead& head, std::span<char> buffer) {
  std::string_view value = head.fields.value(FieldId::authorization);
  if (!istarts_with(value, "basic ")) return {};
  value = trim(value.substr(6));
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t size = 0;
  for (const char c : value) {
    const int six = base64_value(c);
    if (six < 0) break;
    bits = bits << 6 | static_cast<std::uint32_t>(six);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    const char byte = static_cast<char>(bits >> count & 0xff);
    if (byte == ':') return {buffer.data(), size};
    if (size < buffer.size()) buffer[size++] = byte;
  }
  return {};
}

}  // namespace ocsproxy
