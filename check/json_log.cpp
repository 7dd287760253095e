#include "check/json_log.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/text.h"

namespace ocsproxy {
namespace {

struct Member {
  std::string_view name;
  LogField field;
};
constexpr std::array<Member, 11> kMembers{{{"client_ip", LogField::client},
                                           {"method", LogField::method},
                                           {"url", LogField::url},
                                           {"protocol", LogField::protocol},
                                           {"listener", LogField::listener},
                                           {"rule", LogField::rule},
                                           {"action", LogField::action},
                                           {"status", LogField::status},
                                           {"site", LogField::site},
                                           {"error_phase", LogField::error_phase},
                                           {"error_kind", LogField::error_kind}}};

// Where a name stands in kMemberAt: no two of them in one place.
constexpr std::size_t kPlaces = 32;
constexpr std::size_t place_of(std::string_view name) {
  return name.empty() ? 0 : (static_cast<unsigned char>(name.front()) + 4 * name.size()) % kPlaces;
}
constexpr std::array<const Member*, kPlaces> kMemberAt = [] {
  std::array<const Member*, kPlaces> members{};
  for (const Member& member : kMembers) {
    if (members[place_of(member.name)] != nullptr) throw "two in one place";  // does not compile
    members[place_of(member.name)] = &member;
  }
  return members;
}();

// The bytes that stand for themselves in a string of ours: printable ASCII without " and \.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// How many bytes at the beginning of `text` are plain. Looked at by eight: a subtraction's borrow
// marks only bytes behind one that is not plain, so the first mark is right.
std::size_t plain_run(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t word) { return (word - kOnes) & ~word; };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    const std::uint64_t control = (word - kOnes * 0x20) & ~word;
    const std::uint64_t marks =
        (word | control | has_zero(word ^ (kOnes * '"')) | has_zero(word ^ (kOnes * '\\')) |
         has_zero(word ^ (kOnes * 0x7f))) &
        kTops;
    if (marks != 0) return at + static_cast<std::size_t>(std::countr_zero(marks)) / 8;
  }
  while (at < text.size() && kPlain[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}

  bool object(LogEntry& entry) {
    if (!take('{')) return false;
    if (take('}')) return at_end();
    do {
      const auto name = string();
      if (!name || !take(':')) return false;
      const auto text = value();
      if (!text) return false;
      const Member* const member = kMemberAt[place_of(*name)];
      if (member != nullptr && member->name == *name) entry[member->field] = *text;
    } while (take(','));
    return take('}') && at_end();
  }

 private:
  void skip_blanks() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip_blanks();
    if (at_ == line_.size() || line_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip_blanks();
    return at_ == line_.size();
  }

  // What stands between the quotes.
  std::optional<std::string_view> string() {
    if (!take('"')) return std::nullopt;
    const std::size_t start = at_;
    while (true) {
      at_ += plain_run(line_.substr(at_));
      if (at_ == line_.size()) return std::nullopt;
      if (line_[at_] == '"') return line_.substr(start, at_++ - start);
      const char escaped = at_ + 1 < line_.size() ? line_[at_ + 1] : '\0';
      if (line_[at_] != '\\' || (escaped != '"' && escaped != '\\')) return std::nullopt;
      at_ += 2;
    }
  }

  // A string, a number without sign and fraction, true or false.
  std::optional<std::string_view> value() {
    skip_blanks();
    if (at_ < line_.size() && line_[at_] == '"') return string();
    const std::size_t start = at_;
    while (at_ < line_.size() && (is_digit(line_[at_]) || is_alpha(line_[at_]))) ++at_;
    const std::string_view text = line_.substr(start, at_ - start);
    if (text == "true" || text == "false") return text;
    const bool number = !text.empty() && std::ranges::all_of(text, is_digit) &&
                        (text.size() == 1 || text.front() != '0');
    return number ? std::optional(text) : std::nullopt;
  }

  const std::string_view line_;
  std::size_t at_ = 0;
};

}  // namespace

bool read_json_line(std::string_view line, LogEntry& entry) {
  entry.form = LogForm::json;
  entry.fields.fill({});
  return Reader(line).object(entry);
}

}  // namespace ocsproxy
