#include "test/proxy/abuse_cases.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "test/source_path.h"

namespace ocsproxy::test {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kEndless = 1048576;

Json read(const std::string& file) {
  std::ifstream stream(test::source_path("test/abuse/" + file));
  return Json::parse(stream);
}

std::string decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result += text[i];
      continue;
    }
    switch (text.at(++i)) {
      case 'r':
        result += '\r';
        break;
      case 'n':
        result += '\n';
        break;
      case 't':
        result += '\t';
        break;
      case 'x':
        result += static_cast<char>(hex_value(text.at(i + 1)) * 16 + hex_value(text.at(i + 2)));
        i += 2;
        break;
      default:
        result += text[i];
    }
  }
  return result;
}

std::string expand(std::string text, const Json& item) {
  if (!item.contains("expand")) return text;
  for (const Json& rule : item["expand"]) {
    const auto token = rule[0].get<std::string>();
    const auto unit = rule[1].get<std::string>();
    const long count = rule[2].get<long>();
    std::string filling;
    const std::size_t size = count < 0 ? kEndless : unit.size() * static_cast<std::size_t>(count);
    while (filling.size() < size) filling += unit;
    const std::size_t at = text.find(token);
    if (at != std::string::npos) text.replace(at, token.size(), filling);
  }
  return text;
}

std::set<int> numbers(const Json& item, const char* key) {
  return item.contains(key) ? item[key].get<std::set<int>>() : std::set<int>();
}

std::vector<std::string> texts(const Json& item, const char* key) {
  std::vector<std::string> result;
  if (!item.contains(key)) return result;
  for (const Json& text : item[key]) result.push_back(lower(text.get<std::string>()));
  return result;
}

}  // namespace

std::vector<ClientCase> client_cases(const std::set<std::string>& kinds) {
  std::vector<ClientCase> cases;
  for (const Json& item : read("http1.json")) {
    if (!kinds.contains(item["class"].get<std::string>())) continue;
    ClientCase c;
    c.name = item["name"];
    c.kind = item["class"];
    c.bytes = expand(decode(item["bytes"].get<std::string>()), item);
    if (item.contains("also_ok")) c.ok = item["also_ok"].get<std::set<std::string>>();
    c.ok.insert(item["expect"].get<std::string>());
    c.status = numbers(item, "status");
    c.must = texts(item, "origin_must");
    c.must_not = texts(item, "origin_must_not");
    c.why = item["why"];
    cases.push_back(std::move(c));
  }
  return cases;
}

std::vector<UpstreamCase> upstream_cases(const std::set<std::string>& kinds) {
  std::vector<UpstreamCase> cases;
  for (const Json& item : read("upstream.json")) {
    if (!kinds.contains(item["class"].get<std::string>())) continue;
    UpstreamCase c;
    c.name = item["name"];
    c.kind = item["class"];
    for (const Json& step : item["origin"]) {
      if (!step.contains("send")) continue;
      c.bytes = expand(decode(step["send"].get<std::string>()), step);
      break;
    }
    c.client_status = numbers(item, "client_status");
    c.why = item["why"];
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace ocsproxy::test
