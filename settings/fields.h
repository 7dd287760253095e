// Typed reading of a Node: each function takes what the configuration may say at one place, and
// reports anything else there. What is absent or wrong leaves the target as it was.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "settings/node.h"
#include "settings/settings.h"

namespace ocsproxy::settings {

struct NumberRange {
  std::uint32_t least;
  std::uint32_t most;
};
inline constexpr NumberRange kPortRange{1, 65535};
inline constexpr NumberRange kConnectionsRange{1, 10'000'000};

struct SizeRange {
  std::uint64_t least;
  std::uint64_t most;
};

struct DurationRange {
  milliseconds least;
  milliseconds most;
};

// A word of the configuration and what it stands for.
template <typename T>
struct Word {
  std::string_view text;
  T meaning;
};

// Of a value by itself. `key` is for the message.

// Text that is not empty and printable; a number counts as its digits.
std::optional<std::string_view> read_text(const Node& node, std::string_view key,
                                          Findings& findings);
// `text` is one of `words`, or a finding names the nearest; its index.
std::optional<std::size_t> read_word(const Node& node, std::string_view key,
                                     std::span<const std::string_view> words, Findings& findings);
std::optional<bool> read_boolean(const Node& node, std::string_view key, Findings& findings);
std::optional<std::uint32_t> read_number(const Node& node, std::string_view key, NumberRange range,
                                         Findings& findings);
// "64k", or bytes.
std::optional<std::uint64_t> read_size(const Node& node, std::string_view key, SizeRange range,
                                       Findings& findings);
std::optional<milliseconds> read_duration(const Node& node, std::string_view key,
                                          DurationRange range, Findings& findings);
// False and a finding when `node` is no list or an empty one.
bool is_list(const Node& node, std::string_view key, Findings& findings);
// `"port" wants WANTED, not a list`
void report_type(const Node& node, std::string_view key, std::string_view wanted,
                 Findings& findings, std::string mend = {});

// The keys of one map. `node` and `what` ("a rule") must outlive it. Every key that is asked for is
// a known one, which is all that finish() needs to judge the others.
class Fields {
 public:
  Fields(const Node& node, std::string_view what, Findings& findings);

  // The value under `key`; nullptr when the key is absent, or (reported here) has no value.
  const Node* find(std::string_view key);
  // The same for a list that is not empty.
  const Node* list(std::string_view key);
  // Is the key there, whatever its value?
  bool has(std::string_view key) const;
  // `key` had to be there and is not.
  void missing(std::string_view key, std::string mend);

  void text(std::string_view key, Located<std::string>& target);
  void boolean(std::string_view key, Located<bool>& target);
  void size(std::string_view key, SizeRange range, Located<std::uint64_t>& target);
  void duration(std::string_view key, DurationRange range, Located<milliseconds>& target);
  template <typename T>
  void number(std::string_view key, NumberRange range, Located<T>& target) {
    const Node* const node = find(key);
    if (node == nullptr) return;
    if (const auto value = read_number(*node, key, range, findings_)) {
      target = {static_cast<T>(*value), node->where};
    }
  }
  template <typename T, std::size_t N>
  void word(std::string_view key, const std::array<Word<T>, N>& words, Located<T>& target) {
    const Node* const node = find(key);
    if (node == nullptr) return;
    std::array<std::string_view, N> texts;
    std::ranges::transform(words, texts.begin(), &Word<T>::text);
    if (const auto index = read_word(*node, key, texts, findings_)) {
      target = {words[*index].meaning, node->where};
    }
  }

  // Reports every key that was not asked for, and what is missing and was not meant by one of
  // those. To be called once, when all keys have been asked for.
  void finish();

  Location where() const { return node_.where; }
  Findings& findings() const { return findings_; }

 private:
  const Node& node_;
  const std::string_view what_;
  Findings& findings_;
  std::vector<std::string_view> known_;
  struct Missing {
    std::string_view key;
    std::string mend;
  };
  std::vector<Missing> missing_;
};

}  // namespace ocsproxy::settings
