#include <algorithm>
#include <cstring>
#include <string>

#include "check/replay_report.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

// Two listeners, so that a log without them leaves a choice.
settings::Settings make_settings(std::uint32_t file) {
  settings::Settings settings;
  for (const char* name : {"Edge", "Other"}) {
    settings::Listener& listener = settings.listeners.emplace_back();
    listener.name.value = name;
    listener.networks.push_back({"External", {}});
    listener.https.emplace();
    listener.http.emplace().redirect_to_https = *listener.name == "Other";
  }
  for (const char* name : {"Closed", "All"}) {
    settings::Rule& rule = settings.rules.emplace_back();
    rule.name = {name, {file, 1, 1}};
    rule.listener.value = "Edge";
    rule.from.push_back({{}, "External", std::nullopt});
    rule.public_names.push_back({"www.example.test", {}});
    rule.methods.push_back({"*", {}});
    rule.paths.emplace_back();
    rule.to.emplace().site.value = "pool.local";
  }
  settings::Rule& closed = settings.rules.front();
  closed.action.value = settings::Action::deny;
  closed.paths.front().external = closed.paths.front().internal = "/abs/int";
  closed.to.reset();
  return settings;
}

const PolicyFile& policy() {
  static const auto* const made = [] {
    auto* const file = new PolicyFile;
    file->settings = make_settings(file->sources.add("conf.yaml", ""));
    file->table = rules::RuleTable::compile(file->settings, {}, file->findings);
    return file;
  }();
  return *made;
}

ReplayResult replay(std::string_view log, std::size_t piece) {
  LogLines lines([log, piece](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t size = std::min({log.size(), into.size(), piece});
    std::memcpy(into.data(), log.data(), size);
    log.remove_prefix(size);
    return size;
  });
  lines.beginning();
  Replay replay(policy().policy(), {});
  require(static_cast<bool>(replay.add("log", lines, [] {})), "memory can be read");
  return replay.take();
}

}  // namespace

void access_log(std::string_view input) {
  const ReplayResult result = replay(input, input.size() + 1);
  std::uint64_t judged = result.same + result.changed(), others = 0;
  for (const Examples& examples : result.unjudged) others += examples.lines;
  require(judged + others == result.lines, "each line is judged, or it is said why not");
  require(result.lines <= static_cast<std::uint64_t>(std::ranges::count(input, '\n')) + 1,
          "no line is counted twice");

  const std::string text = replay_as_text(result, policy());
  require(std::ranges::none_of(text, [](char c) { return c < ' ' && c >= 0 && c != '\n'; }),
          "what stands in a log does nothing to a terminal");
  require(replay_as_text(replay(input, 7), policy()) == text, "it does not matter how it is read");
  replay_as_json(result, policy());
}

}  // namespace ocsproxy::fuzz
