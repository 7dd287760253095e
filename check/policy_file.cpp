#include "check/policy_file.h"

namespace ocsproxy {

Status read_policy(const std::string& path, Files& files, std::span<const IpAddress> own_addresses,
                   PolicyFile& into) {
  Result<settings::Loaded> loaded = settings::load(path, files, settings::NamedFiles::later);
  if (!loaded) return std::move(loaded).error();
  into.sources = std::move(loaded->sources);
  into.settings = std::move(loaded->settings);
  into.findings = std::move(loaded->findings);
  // What depends on settings without errors is looked at only when there are none.
  into.complete = !into.findings.has_errors();
  if (!into.complete) return Done{};
  into.table = rules::RuleTable::compile(into.settings, own_addresses, into.findings);
  into.findings.sort();
  if (into.findings.has_errors()) into.table = nullptr;
  return Done{};
}

}  // namespace ocsproxy
