#include "check/question_message.h"

#include <optional>
#include <vector>

#include "base/text.h"

namespace ocsproxy {
namespace {

// The words of a message, each ended by a NUL, which no word of a command line can hold: "explain",
// the format, the URL, the address, the method, and the headers.
constexpr std::string_view kExplain = "explain";
constexpr std::string_view kText = "text";
constexpr std::string_view kJson = "json";
constexpr std::size_t kFixedWords = 5;

struct Decoded {
  ReportFormat format = ReportFormat::text;
  Question question;
};

// Nothing unless each word ends.
std::optional<std::vector<std::string_view>> words_of(std::string_view message) {
  std::vector<std::string_view> words;
  while (!message.empty()) {
    const std::size_t end = message.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    words.push_back(message.substr(0, end));
    message.remove_prefix(end + 1);
  }
  return words;
}

std::optional<Decoded> decode(std::string_view message) {
  const auto words = words_of(message);
  if (!words || words->size() < kFixedWords || (*words)[0] != kExplain) return std::nullopt;
  const std::string_view format = (*words)[1];
  const auto from = IpAddress::parse((*words)[3]);
  if ((format != kText && format != kJson) || !from || !is_token((*words)[4])) return std::nullopt;
  return Decoded{.format = format == kJson ? ReportFormat::json : ReportFormat::text,
                 .question = {.url = std::string((*words)[2]),
                              .from = *from,
                              .method = std::string((*words)[4]),
                              .headers = {words->begin() + kFixedWords, words->end()}}};
}

}  // namespace

std::string encode(const Question& question, ReportFormat format) {
  std::string message;
  const auto add = [&message](std::string_view word) { message.append(word).push_back('\0'); };
  add(kExplain);
  add(format == ReportFormat::json ? kJson : kText);
  add(question.url);
  add(question.from.to_string());
  add(question.method);
  for (const std::string& header : question.headers) add(header);
  return message;
}

Answer answer_question(const ServedConfiguration& configuration, const Machine& machine,
                       std::string_view message) {
  const auto asked = decode(message);
  if (!asked) {
    return {2,
            "the running proxy does not understand the question: it is of another version; ask "
            "with the program that it was started from"};
  }
  auto text = explain_as(asked->format, configuration, machine, asked->question);
  if (!text) return {2, std::move(text).error().detail};
  return {0, *std::move(text)};
}

}  // namespace ocsproxy
