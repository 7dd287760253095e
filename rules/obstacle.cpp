#include "rules/obstacle.h"

#include <algorithm>

#include "rules/judge.h"
#include "rules/path_mapping.h"
#include "rules/rule_forms.h"
#include "settings/shown_text.h"

namespace ocsproxy::rules {
namespace {

using settings::Rule;
using settings::shown;

class Search {
 public:
  Search(const settings::Settings& settings, const RuleTable& table, const IpAddress& client,
         std::string_view site, std::string_view path)
      : settings_(settings), table_(table), client_(client), site_(site), path_(path) {}

  std::string run() {
    for (const Rule& rule : settings_.rules) {
      if (!rule.enabled || !rule.to || *rule.to->site != site_) continue;
      for (const settings::Path& mapping : rule.paths) {
        if (mapping.kind == settings::Path::Kind::regex) continue;
        std::string buffer(path_.size() + mapping.external.size() + 1, '\0');
        const auto external = external_path(mapping, path_, buffer);
        if (external && !external->empty()) ask(rule, *external);
        if (reached_) return "";
      }
    }
    if (!by_rule_.empty()) return by_rule_;
    return by_none_.empty() ? "no rule leads to it" : by_none_;
  }

 private:
  void ask(const Rule& rule, std::string_view path) {
    const auto listener = std::ranges::find_if(
        settings_.listeners,
        [&](const settings::Listener& one) { return *one.name == *rule.listener; });
    if (listener == settings_.listeners.end()) return;
    const bool https = listener->https.has_value();
    const std::string name = typical_name(rule);
    const auto number = static_cast<std::uint32_t>(listener - settings_.listeners.begin());
    const auto [answer, decision] =
        judge(settings_, table_, https, {number, table_.locate(client_), name, path, "GET"});
    const std::string url = shown((https ? "https://" : "http://") + name + std::string(path));
    if (answer == Answer::not_served) {
      keep(by_rule_, "listener " + shown(*listener->name) + " does not serve that client");
    } else if (decision.rule == kNoRule) {
      keep(by_none_, "no rule allows it " + url);
    } else if (answer != Answer::forward) {
      keep(by_rule_, "rule " + shown(*settings_.rules[decision.rule].name) +
                         (answer == Answer::redirect ? " redirects " : " denies ") + url);
    } else if (*settings_.rules[decision.rule].to->site != site_) {
      keep(by_rule_,
           "rule " + shown(*settings_.rules[decision.rule].name) + " sends " + url + " elsewhere");
    } else {
      reached_ = true;
    }
  }

  static void keep(std::string& first, std::string text) {
    if (first.empty()) first = std::move(text);
  }

  const settings::Settings& settings_;
  const RuleTable& table_;
  const IpAddress client_;
  const std::string_view site_;
  const std::string_view path_;
  bool reached_ = false;
  std::string by_rule_, by_none_;  // the first obstacle of each kind
};

}  // namespace

std::string obstacle(const settings::Settings& settings, const RuleTable& table,
                     const IpAddress& client, std::string_view site, std::string_view path) {
  return Search(settings, table, client, site, path).run();
}

}  // namespace ocsproxy::rules
