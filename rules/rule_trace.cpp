// What each rule says to one request. Slower than a decision by the number of rules, and for people
// who ask; the test holds it to the oracle, rule by rule.
#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/text.h"
#include "rules/compiled_policy.h"
#include "rules/rule_forms.h"
#include "rules/rule_table_impl.h"

namespace ocsproxy::rules {
namespace {

using settings::Rule;

class Tracer {
 public:
  Tracer(const CompiledPolicy& policy, const settings::Settings& settings, const Request& request)
      : policy_(policy),
        settings_(settings),
        request_(request),
        listener_(*settings.listeners[request.listener].name),
        path_(lower(request.path)) {
    for (const auto& regex : policy.regexes) regexes_.emplace(regex->pattern(), regex.get());
  }

  RuleTrace trace(std::uint32_t number) const {
    const Rule& rule = settings_.rules[number];
    if (!rule.enabled) return {Condition::enabled};
    if (!rule.listener->empty() && *rule.listener != listener_) return {Condition::listener};
    if (!policy_.sets.contains(policy_.set_by_rule[number], request_.client.atom)) {
      return {Condition::from};
    }
    if (!fits_name(rule)) return {Condition::public_name};
    std::uint32_t path = 0;
    while (path < size32(rule.paths) && !fits_path(form_of(rule, rule.paths[path]))) ++path;
    if (path == size32(rule.paths)) return {Condition::path};
    if (!fits_method(rule)) return {Condition::method};
    return {Condition::none, path};
  }

 private:
  bool fits_name(const Rule& rule) const {
    return rule.public_names.empty() ||
           std::ranges::any_of(rule.public_names, [this](const auto& configured) {
             const NameForm form = form_of_name(*configured);
             const std::string_view name = request_.public_name;
             if (form.kind == NameKind::exact) return form.text == "*" || form.text == name;
             return name.size() > form.text.size() + 1 && name.ends_with(form.text) &&
                    name[name.size() - form.text.size() - 1] == '.' && may_match_wildcard(name);
           });
  }

  bool fits_path(const PathForm& form) const {
    if (form.way == Way::regex) {
      return re2::RE2::FullMatch(re2::StringPiece(request_.path.data(), request_.path.size()),
                                 *regexes_.at(form.text));
    }
    const std::string text = lower(form.text);
    if (path_ == text) return true;
    return form.way == Way::prefix && path_.size() > text.size() && path_.starts_with(text) &&
           path_[text.size()] == '/';
  }

  bool fits_method(const Rule& rule) const {
    return std::ranges::any_of(rule.methods, [this](const auto& method) {
      return *method == "*" || *method == request_.method;
    });
  }

  const CompiledPolicy& policy_;
  const settings::Settings& settings_;
  const Request& request_;
  const std::string_view listener_;
  const std::string path_;
  std::unordered_map<std::string_view, const re2::RE2*> regexes_;
};

}  // namespace

std::vector<RuleTrace> RuleTable::trace(const Request& request) const {
  const Tracer tracer(impl_->policy, impl_->settings, request);
  std::vector<RuleTrace> traces;
  traces.reserve(impl_->settings.rules.size());
  for (std::uint32_t rule = 0; rule < size32(impl_->settings.rules); ++rule) {
    traces.push_back(tracer.trace(rule));
  }
  return traces;
}

}  // namespace ocsproxy::rules
