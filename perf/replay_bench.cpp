// What --replay costs a line, from bytes in memory to the verdict, in each form of a log. The rules
// are ten a name, below one for all names; the log's requests are spread over them.
#include <algorithm>
#include <array>
#include <cstring>

#include <benchmark/benchmark.h>

#include "check/replay.h"
#include "proxy/access_log.h"

namespace {

using namespace ocsproxy;

constexpr std::uint32_t kRulesOfAName = 10;
constexpr std::uint32_t kLines = 200'000;

std::string name_of(std::uint32_t rule) {
  return "www" + std::to_string(rule / kRulesOfAName) + ".contoso.com";
}

settings::Rule make_rule(std::uint32_t number) {
  settings::Rule rule;
  rule.name.value = "Department application " + std::to_string(number);
  rule.listener.value = "OCS External Web Farm";
  rule.from.push_back({{}, "External", std::nullopt});
  rule.public_names.push_back({name_of(number), {}});
  settings::Path path;
  path.external = path.internal = "/department/app" + std::to_string(number);
  rule.paths.push_back(path);
  rule.methods.push_back({"*", {}});
  rule.to.emplace().site.value = "pool.contoso.local";
  return rule;
}

struct Policy {
  explicit Policy(std::uint32_t rules) {
    settings::Listener& listener = settings.listeners.emplace_back();
    listener.name.value = "OCS External Web Farm";
    listener.networks.push_back({"External", {}});
    listener.https.emplace();
    settings::Rule& closed = settings.rules.emplace_back(make_rule(0));
    closed.name.value = "Internal directories";
    closed.action.value = settings::Action::deny;
    closed.public_names.clear();
    closed.paths[0].external = "/abs/int";
    for (std::uint32_t i = 0; i < rules; ++i) settings.rules.push_back(make_rule(i));
    table = rules::RuleTable::compile(settings, {}, findings);
  }

  settings::Settings settings;
  Findings findings;
  std::shared_ptr<const rules::RuleTable> table;
};

std::string own_log(std::uint32_t rules, bool json) {
  std::array<char, kAccessLineBytes> buffer;
  std::string log(json ? "" : w3c_header({}, buffer));
  for (std::uint32_t i = 0; i < kLines; ++i) {
    const std::uint32_t rule = i * 7919 % rules;
    const std::string host = name_of(rule), name = "Department application " + std::to_string(rule);
    const std::string target =
        "/department/app" + std::to_string(rule) + "/pages/view.aspx?id=" + std::to_string(i);
    const AccessRecord record{
        .client = {.ip = IpAddress::from_v4(0xc6336400 + i), .port = 50'000},
        .client_network = "External",
        .user_agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML)",
        .referrer = "https://www.contoso.com/start/page.aspx",
        .method = "GET",
        .public_host = host,
        .target = target,
        .client_secure = true,
        .listener = "OCS External Web Farm",
        .request_id = "0123456789abcdef",
        .rule = name,
        .site = "pool.contoso.local",
        .upstream = {.ip = IpAddress::from_v4(0xc0a80169), .port = 443},
        .status = 200,
        .mime_type = "text/html",
        .from_client = 612,
        .to_client = 10'422,
        .to_upstream = 870,
        .from_upstream = 10'100};
    log += json ? format_json(record, buffer) : format_w3c(record, buffer);
  }
  return log;
}

std::string isa_log(std::uint32_t rules) {
  std::string log =
      "#Software: Microsoft(R) Internet Security and Acceleration Server 2006\r\n#Fields: c-ip\t"
      "cs-username\tc-agent\tsc-authenticated\tdate\ttime\ts-svcname\ts-computername\tcs-referred\t"
      "r-host\tr-ip\tr-port\ttime-taken\tcs-bytes\tsc-bytes\tcs-protocol\tcs-transport\t"
      "s-operation\tcs-uri\tcs-mime-type\ts-object-source\tsc-status\ts-cache-info\trule\t"
      "FilterInfo\tcs-Network\tsc-Network\terror-info\taction\r\n";
  for (std::uint32_t i = 0; i < kLines; ++i) {
    const std::uint32_t rule = i * 7919 % rules;
    const std::string number = std::to_string(rule);
    log += "198.51.100." + std::to_string(i % 250) +
           "\tanonymous\tMozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1)\tN\t2009-03-17\t"
           "10:22:41\tw3reverseproxy\tISA01\t-\tpool.contoso.local\t192.168.1.105\t443\t31\t612\t"
           "10422\thttps\tTCP\tGET\thttp://" +
           name_of(rule) + "/department/app" + number +
           "/pages/view.aspx\ttext/html\tInet\t200\t0x0\tDepartment application " + number +
           "\tReq ID: 0b1a2c3d\tExternal\tInternal\t0x100\tAllowed\r\n";
  }
  return log;
}

void replay(benchmark::State& state, const std::string& log, const Policy& policy) {
  for (auto _ : state) {
    std::string_view rest = log;
    LogLines lines([&rest](std::span<char> into) -> Result<std::size_t> {
      const std::size_t size = std::min(rest.size(), into.size());
      std::memcpy(into.data(), rest.data(), size);
      rest.remove_prefix(size);
      return size;
    });
    Replay replay({&policy.settings, policy.table.get()}, {});
    if (!replay.add("log", lines, [] {})) state.SkipWithError("not read");
    const ReplayResult result = replay.take();
    if (result.same != kLines || !result.groups.empty()) state.SkipWithError("something differs");
  }
  state.SetItemsProcessed(state.iterations() * kLines);
}

void w3c(benchmark::State& state) {
  const auto rules = static_cast<std::uint32_t>(state.range(0));
  replay(state, own_log(rules, false), Policy(rules));
}

void json(benchmark::State& state) {
  const auto rules = static_cast<std::uint32_t>(state.range(0));
  replay(state, own_log(rules, true), Policy(rules));
}

void isa(benchmark::State& state) {
  const auto rules = static_cast<std::uint32_t>(state.range(0));
  replay(state, isa_log(rules), Policy(rules));
}

BENCHMARK(w3c)->ArgName("rules")->Arg(100)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(json)->ArgName("rules")->Arg(100)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(isa)->ArgName("rules")->Arg(100)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
