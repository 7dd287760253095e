#include "rules/signature_set.h"

#include <re2/re2.h>

namespace ocsproxy::rules {
namespace {

re2::RE2::Options options(std::int64_t memory) {
  re2::RE2::Options options;
  options.set_case_sensitive(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // bytes: a body need not be text
  options.set_log_errors(false);
  options.set_max_mem(memory);
  return options;
}

// For ^ and $ at the ends of lines.
const std::string kByLines = "(?m)";

// \A and \z, which lines of a head have no place for. What RE2 reads as text (\Q\A\E) counts too.
std::string_view text_end_in(std::string_view pattern) {
  for (std::size_t at = 0; at + 1 < pattern.size(); ++at) {
    if (pattern[at] != '\\') continue;
    if (pattern[at + 1] == 'A' || pattern[at + 1] == 'z') return pattern.substr(at, 2);
    ++at;
  }
  return {};
}

// "(?-m", "(?i-ms": the flags that take the ends of lines from ^ and $.
std::string_view single_line_flag_in(std::string_view pattern) {
  static const re2::RE2 kFlag(R"((\(\?[a-zA-Z]*-[a-zA-Z]*m))");
  re2::StringPiece found;
  if (!re2::RE2::PartialMatch(re2::StringPiece(pattern.data(), pattern.size()), kFlag, &found)) {
    return {};
  }
  return {found.data(), found.size()};
}

}  // namespace

std::optional<SignatureSet::Fault> SignatureSet::fault_of(const std::string& pattern,
                                                          bool in_head) {
  const re2::RE2 regex(pattern, options(kMemory));
  if (!regex.ok()) return Fault{regex.error(), regex.error_arg()};
  if (!in_head) return std::nullopt;
  std::string_view part = text_end_in(pattern);
  if (part.empty()) part = single_line_flag_in(pattern);
  if (part.empty()) return std::nullopt;
  return Fault{"a head is looked at line by line, so it has no " + std::string(part),
               std::string(part)};
}

SignatureSet::SignatureSet(std::int64_t memory) : set_(options(memory), re2::RE2::UNANCHORED) {}

void SignatureSet::add(const std::string& pattern) {
  if (set_.Add(kByLines + pattern, nullptr) >= 0) ++count_;
}

bool SignatureSet::compile() {
  // RE2 may have the program and find out at the first text that it has no room to run it.
  return empty() || (set_.Compile() && look("") != Outcome::exhausted);
}

SignatureSet::Outcome SignatureSet::look(std::string_view text) const {
  return look(text, nullptr);
}

SignatureSet::Outcome SignatureSet::look(std::string_view text, std::vector<int>& found) const {
  found.clear();
  return look(text, &found);
}

SignatureSet::Outcome SignatureSet::look(std::string_view text, std::vector<int>* found) const {
  if (empty()) return Outcome::none;
  re2::RE2::Set::ErrorInfo error{re2::RE2::Set::kNoError};
  if (set_.Match(re2::StringPiece(text.data(), text.size()), found, &error)) return Outcome::found;
  return error.kind == re2::RE2::Set::kNoError ? Outcome::none : Outcome::exhausted;
}

}  // namespace ocsproxy::rules
