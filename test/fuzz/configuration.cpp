#include <map>
#include <string>
#include <vector>

#include "rules/rule_table.h"
#include "settings/load.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

Result<settings::Loaded> load(std::string_view input) {
  // A form feed ends a file, so that lists that go on from file to file are met too.
  std::map<std::string, std::string> contents;
  std::vector<std::string> names;
  for (std::string_view rest = input; names.size() < 4;) {
    const std::size_t end = rest.find('\f');
    names.push_back("conf/" + std::to_string(names.size()) + ".yaml");
    contents[names.back()] = rest.substr(0, end);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  MemoryFiles files(std::move(contents), {{"conf", names}});
  return settings::load("conf", files, settings::NamedFiles::later);
}

void require_sound(const Findings& findings, const Sources& sources) {
  for (const Finding& finding : findings.all()) {
    require(!finding.text.empty() && !finding.code.empty(), "a finding has a text and a code");
    require(finding.where.file == Location::kNoFile || finding.where.file < sources.size(),
            "a finding names a file of the configuration");
  }
  require(render(findings, sources).find('\0') == std::string::npos, "no finding shows a raw NUL");
}

}  // namespace

void configuration(std::string_view input) {
  if (input.size() > 16384) return;
  Result<settings::Loaded> first = load(input);
  require(static_cast<bool>(first), "a configuration that can be read is judged by findings");
  require_sound(first->findings, first->sources);
  const Result<settings::Loaded> second = load(input);
  require(second &&
              render(second->findings, second->sources) == render(first->findings, first->sources),
          "the same configuration gives the same findings");
  if (first->findings.has_errors()) return;

  Findings findings;
  const auto table = rules::RuleTable::compile(first->settings, {}, findings);
  require_sound(findings, first->sources);
  if (findings.has_errors()) return;
  // The table answers for every listener, whatever the rules are.
  const rules::ClientPosition client = table->locate(IpAddress::from_v4(0xc0000201));
  for (std::uint32_t listener = 0; listener < first->settings.listeners.size(); ++listener) {
    const rules::Decision decision = table->decide({.listener = listener,
                                                    .client = client,
                                                    .public_name = "a.test",
                                                    .path = "/a/b",
                                                    .method = "GET"});
    require(decision.rule == rules::kNoRule || decision.rule < first->settings.rules.size(),
            "a decision names a rule that there is");
    require(decision.verdict != rules::Verdict::allow || decision.rule != rules::kNoRule,
            "what no rule allows is denied");
  }
}

}  // namespace ocsproxy::fuzz
