// What a decision costs, and that it does not grow with rules that cannot match. With 4096
// different requests, taken at random over the rules, many rules cost their cache misses too; with
// 64 the search alone is measured.
#include <array>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "rules/canonical_target.h"
#include "rules/http_filter.h"
#include "rules/rule_table.h"

namespace {

using namespace ocsproxy;
using namespace ocsproxy::rules;

// Of the two kinds of regexes, one has the same behind each directory, the other something else.
enum Shape : int { kNames, kPaths, kAddresses, kWildcards, kRegexes, kMixed, kOwnRegexes };

std::string address_text(std::uint32_t number) {
  // Every second address, so that no two ranges touch.
  return IpAddress::from_v4(0x0b000000 + number * 2).to_string();
}

// Of the same length for all, so that requests for many rules are no longer than those for few.
std::string numeral(std::uint32_t number) { return std::to_string(1'000'000 + number); }

settings::Rule make_rule(Shape shape, std::uint32_t number) {
  settings::Rule rule;
  rule.listener.value = "web";
  settings::Source source;
  source.text = "External";
  if (shape == kAddresses) source.range = AddressRange::parse(address_text(number));
  rule.from.push_back(source);
  const std::string text = numeral(number);
  const bool named = shape == kNames || shape == kMixed;
  std::string name = named ? "www" + text + ".contoso.com" : "www.contoso.com";
  if (shape == kMixed) name = "www" + numeral(number / 10) + ".contoso.com";
  if (shape == kWildcards) name = "*.site" + text + ".contoso.com";
  rule.public_names.push_back({name, {}});
  settings::Path path;
  if (shape == kPaths || shape == kMixed) path.external = "/department/app" + text;
  if (shape == kRegexes) {
    path.kind = settings::Path::Kind::regex;
    path.external = "/department/app" + text + "/.*\\.aspx";
  }
  if (shape == kOwnRegexes) {
    path.kind = settings::Path::Kind::regex;
    path.external = "/department/app" + text + "/(v" + text + "/)?[a-z]+\\.(aspx|ashx)(/.*)?";
  }
  path.internal = path.external;
  rule.paths.push_back(path);
  rule.methods.push_back({"*", {}});
  return rule;
}

settings::Settings make_settings(Shape shape, std::uint32_t rules) {
  settings::Settings settings;
  settings::Network& internal = settings.networks.emplace_back();
  internal.name.value = "Internal";
  internal.ranges.push_back({AddressRange::parse("10.0.0.0/8").value(), {}});
  settings::Listener& listener = settings.listeners.emplace_back();
  listener.name.value = "web";
  listener.networks.push_back({"External", {}});
  for (std::uint32_t i = 0; i < rules; ++i) settings.rules.push_back(make_rule(shape, i));
  return settings;
}

// Requests for rules. Their words lie one behind the other, as if each had just been read: what the
// table's own misses cost is the question.
struct Words {
  std::string_view name, path;
  ClientPosition client;
};
class Requests {
 public:
  void reserve(std::size_t count) { text_.reserve(count * 128); }
  void add(const std::string& name, const std::string& path, ClientPosition client) {
    if (text_.capacity() - text_.size() < name.size() + path.size())
      throw std::length_error("text");
    all_.push_back({keep(name), keep(path), client});
  }
  std::size_t size() const { return all_.size(); }
  const Words& operator[](std::size_t i) const { return all_[i]; }

 private:
  std::string_view keep(const std::string& words) {
    text_ += words;
    return std::string_view(text_).substr(text_.size() - words.size());
  }
  std::string text_;
  std::vector<Words> all_;
};

Requests make_requests(Shape shape, std::uint32_t rules, std::size_t count,
                       const RuleTable& table) {
  std::mt19937 random(1);
  Requests requests;
  requests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = random() % rules;
    const std::string text = numeral(number);
    std::string name = "www.contoso.com";
    if (shape == kNames) name = "www" + text + ".contoso.com";
    if (shape == kMixed) name = "www" + numeral(number / 10) + ".contoso.com";
    if (shape == kWildcards) name = "host.site" + text + ".contoso.com";
    requests.add(
        name, "/department/app" + text + "/default.aspx",
        table.locate(
            IpAddress::parse(shape == kAddresses ? address_text(number) : "198.51.100.7").value()));
  }
  return requests;
}

void decide(benchmark::State& state) {
  const auto shape = static_cast<Shape>(state.range(0));
  const auto rules = static_cast<std::uint32_t>(state.range(1));
  const settings::Settings settings = make_settings(shape, rules);
  Findings findings;
  const auto table = RuleTable::compile(settings, {}, findings);
  const Requests requests =
      make_requests(shape, rules, static_cast<std::size_t>(state.range(2)), *table);
  std::size_t i = 0;
  for (auto _ : state) {
    const Words& words = requests[i++ % requests.size()];
    const Decision decision = table->decide({0, words.client, words.name, words.path, "GET"});
    if (decision.verdict != Verdict::allow) state.SkipWithError("no rule matched");
  }
}

void compile(benchmark::State& state) {
  const auto shape = static_cast<Shape>(state.range(0));
  const settings::Settings settings =
      make_settings(shape, static_cast<std::uint32_t>(state.range(1)));
  for (auto _ : state) {
    Findings findings;
    benchmark::DoNotOptimize(RuleTable::compile(settings, {}, findings));
  }
}

void locate(benchmark::State& state) {
  const settings::Settings settings =
      make_settings(kAddresses, static_cast<std::uint32_t>(state.range(0)));
  Findings findings;
  const auto table = RuleTable::compile(settings, {}, findings);
  std::mt19937 random(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->locate(IpAddress::from_v4(0x0b000000 + random() % 200'000)));
  }
}

void canonicalize_target(benchmark::State& state, std::string_view target) {
  std::array<char, 1024> buffer{};
  CanonicalTarget result;
  for (auto _ : state) {
    benchmark::DoNotOptimize(target);
    benchmark::DoNotOptimize(canonicalize(target, true, buffer, result));
  }
}

// A request of a browser through a filter with that many signatures, half of them for the URL.
void filter_head(benchmark::State& state) {
  settings::HttpFilter settings;
  settings.request_headers = {{"X-Bad", {}}, {"X-Worse", {}}};
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    const auto place = i % 2 == 0 ? settings::HttpFilter::Place::url
                                  : settings::HttpFilter::Place::request_headers;
    settings.signatures.push_back({.where = {},
                                   .name = {"S" + std::to_string(i), {}},
                                   .place = {place, {}},
                                   .pattern = {"attack" + std::to_string(i) + "\\s*[({]", {}}});
  }
  Findings findings;
  const auto filter = HttpFilter::compile(settings, findings);
  static constexpr std::array<HeadField, 8> kFields{{
      {"Host", "ocsweb.contoso.com"},
      {"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"},
      {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
      {"Accept-Language", "en-GB,en;q=0.7,de;q=0.3"},
      {"Accept-Encoding", "gzip, deflate, br"},
      {"Cookie", "session=3f2a8c3f2a8c3f2a8c3f2a8c3f2a8c; theme=dark; consent=1"},
      {"Referer", "https://ocsweb.contoso.com/Conf/Ext/3f2a8c/"},
      {"Connection", "keep-alive"},
  }};
  const CanonicalTarget target{.path = "/Conf/Ext/3f2a8c/content/slide-0017.png",
                               .query = "?version=12&size=large",
                               .authority = {}};
  const FilteredRequest request{.method = "GET",
                                .target = target,
                                .fields = {.list = kFields.data(),
                                           .size = kFields.size(),
                                           .at = [](const void* list, std::size_t index) {
                                             return static_cast<const HeadField*>(list)[index];
                                           }}};
  std::vector<char> scratch(HttpFilter::kScratchBytes);
  for (auto _ : state) benchmark::DoNotOptimize(filter->check_request(request, scratch));
}

BENCHMARK(filter_head)->ArgName("signatures")->Arg(0)->Arg(1)->Arg(50);
BENCHMARK(decide)
    ->ArgNames({"shape", "rules", "requests"})
    ->ArgsProduct({{kNames, kPaths, kAddresses, kWildcards, kRegexes, kMixed, kOwnRegexes},
                   {10, 1'000, 100'000},
                   {64, 4096}});
BENCHMARK(compile)
    ->ArgNames({"shape", "rules"})
    ->ArgsProduct({{kNames, kPaths, kAddresses, kWildcards, kMixed}, {100'000}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(locate)->ArgName("rules")->Arg(10)->Arg(100'000);
BENCHMARK_CAPTURE(canonicalize_target, plain, "/GroupExpansion/Ext/service.asmx");
BENCHMARK_CAPTURE(canonicalize_target, plain_with_query,
                  "/Conf/Ext/3f2a8c/content/slide-0017.png?version=12&size=large");
BENCHMARK_CAPTURE(canonicalize_target, escapes, "/Meeting%20Content/Slide%2D17/My%20Deck.pptx");
BENCHMARK_CAPTURE(canonicalize_target, dot_segments, "/a/./b/../c//d/e/../f.html");

}  // namespace
