#include "rules/expectations.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "rules/canonical_target.h"
#include "rules/http_filter.h"
#include "rules/judge.h"
#include "rules/obstacle.h"
#include "rules/reachability.h"
#include "settings/shown_text.h"

namespace ocsproxy::rules {
namespace {

using settings::Example;
using settings::Reach;
using settings::shown;

class Prover {
 public:
  Prover(const settings::Settings& settings, const RuleTable& table, Findings& findings)
      : settings_(settings), table_(table), findings_(findings) {}

  void run() {
    for (const Example& example : settings_.examples) try_example(example);
    const RequestSpace space({{&settings_, &table_}});
    const std::vector<ReachProof> proofs = prove_reaches(space, settings_.reaches);
    for (std::size_t i = 0; i < proofs.size(); ++i) report(settings_.reaches[i], proofs[i]);
    for (const Reach& reach : settings_.reaches) check_site(reach);
  }

 private:
  std::string named(std::uint32_t rule) const {
    return "rule " + shown(*settings_.rules[rule].name);
  }

  void violated(Location where, std::string text) {
    findings_.error("expectation-violated", where, std::move(text),
                    "mend the rule or the expectation; this configuration is not served");
  }

  // --- examples ---

  void try_example(const Example& example) {
    const auto listener = listener_of(example);
    if (!listener) return;
    std::array<char, kAuthorityBufferSize> name_buffer{};
    Authority authority;
    std::vector<char> path_buffer(example.target.size() * 3 + 1);
    CanonicalTarget target;
    const TargetError error = canonicalize(example.target, example.https, path_buffer, target);
    if (!parse_authority(example.authority, name_buffer, authority)) {
      bad(example.request.where, shown(example.authority) + " can be the name of no request");
    } else if (error != TargetError::none) {
      bad(example.request.where, "such a request is refused before the rules are asked: it has " +
                                     std::string(describe(error)));
    } else {
      judge(example, *listener, authority.name, target);
    }
  }

  void bad(Location where, std::string text, std::string mend = {}) {
    findings_.error("bad-expectation", where, std::move(text), std::move(mend));
  }

  // The listener that it names, or the only one that the request can come to.
  std::optional<std::uint32_t> listener_of(const Example& example) {
    std::vector<std::uint32_t> found;
    for (std::uint32_t i = 0; i < settings_.listeners.size(); ++i) {
      const settings::Listener& listener = settings_.listeners[i];
      if (!example.listener->empty() && *listener.name != *example.listener) continue;
      if (example.https ? listener.https.has_value() : listener.http.has_value()) {
        found.push_back(i);
      }
    }
    if (found.size() == 1) return found.front();
    const std::string scheme = example.https ? "https" : "http";
    if (found.empty()) {
      bad(example.request.where, "no listener takes such a request: " + scheme + " is not served");
    } else {
      bad(example.request.where, "more than one listener serves " + scheme,
          "say which:  listener: NAME");
    }
    return std::nullopt;
  }

  void judge(const Example& example, std::uint32_t listener, std::string_view name,
             const CanonicalTarget& target) {
    const settings::Listener& through = settings_.listeners[listener];
    const ClientPosition client = table_.locate(*example.from);
    const auto [answer, decision] = rules::judge(
        settings_, table_, example.https, {listener, client, name, target.path, example.method});
    Verdict verdict = to_verdict(answer);
    std::string why = "no rule matches it";
    if (answer == Answer::not_served) {
      why = "listener " + shown(*through.name) + " does not serve that client";
    } else if (decision.rule != kNoRule) {
      why = named(decision.rule) + " decides it";
    } else if (!example.https && through.http->redirect_to_https) {
      why = "listener " + shown(*through.name) + " sends plain HTTP to https";
      if (verdict == Verdict::deny) why += ", but only GET and HEAD for a name that is published";
    }
    if (answer == Answer::forward) {
      std::vector<char> scratch(HttpFilter::kScratchBytes);
      const Filtered filtered = filter_request(
          table_.filter_of(decision.rule), {.method = example.method, .target = target}, scratch);
      if (filtered.refused) {
        verdict = Verdict::deny;
        why = named(decision.rule) +
              " allows it, and is not to forward it: " + describe(*filtered.objection);
      }
    }
    const bool as_expected =
        (!example.verdict || to_verdict(**example.verdict) == verdict) &&
        (example.rule->empty() ||
         (decision.rule != kNoRule && *settings_.rules[decision.rule].name == *example.rule));
    if (as_expected) return;
    violated(example.request.where, shown(*example.request) + " from " + example.from->to_string() +
                                        ' ' + word(verdict) + ": " + why);
  }

  static Verdict to_verdict(Example::Verdict verdict) {
    static constexpr std::array kVerdicts{Verdict::allow, Verdict::deny, Verdict::redirect};
    return kVerdicts[static_cast<std::size_t>(verdict)];
  }

  static Verdict to_verdict(Answer answer) {
    if (answer == Answer::forward) return Verdict::allow;
    const bool redirected = answer == Answer::redirect || answer == Answer::to_https;
    return redirected ? Verdict::redirect : Verdict::deny;
  }

  static std::string word(Verdict verdict) {
    static constexpr std::array<const char*, 3> kWords{"is allowed", "is denied", "is redirected"};
    return kWords[static_cast<std::size_t>(verdict)];
  }

  // --- claims ---

  // That a site is never reached holds of a name that is misspelt too.
  void check_site(const Reach& reach) {
    if (reach.always) return;
    std::vector<std::string_view> sites;
    for (const settings::Rule& rule : settings_.rules) {
      if (rule.to) sites.emplace_back(*rule.to->site);
    }
    if (std::ranges::find(sites, reach.site) != sites.end()) return;
    const std::string_view near = nearest_word(reach.site, sites);
    if (near.empty()) return;
    findings_.warning("expectation-unknown-site", reach.site_path.where,
                      "no rule leads to " + shown(reach.site) +
                          ", so that it is never reached says "
                          "nothing",
                      "did you mean " + shown(near) + "?");
  }

  void report(const Reach& reach, const ReachProof& proof) {
    using Outcome = ReachProof::Outcome;
    if (proof.outcome == Outcome::holds) return note_filters(reach);
    const Location where = reach.site_path.where;
    std::string text;
    if (reach.always) {
      text = "a client at " + proof.client->to_string();
      text += proof.outcome == Outcome::violated ? " cannot reach " : " may not reach ";
      text += shown(reach.site + proof.internal_path);
      const std::string why =
          obstacle(settings_, table_, *proof.client, reach.site, proof.internal_path);
      if (!why.empty()) text += ": " + why;
    } else {
      text = shown(*reach.site_path);
      text += proof.outcome == Outcome::violated ? " is reached by " : " may be reached, as by ";
      text += proof.request->to_string() + ": " + named(proof.rule) + " allows it";
    }
    if (proof.outcome == Outcome::violated) {
      violated(where, std::move(text));
    } else {
      findings_.warning("expectation-undecided", where,
                        "not proven: " + text + ", depending on what a regex matches",
                        "write the regex as a path where it can be one, or a deny before it");
    }
  }

  // What filters look at is not among the parts that the algebra knows.
  void note_filters(const Reach& reach) {
    if (!reach.always) return;
    for (std::uint32_t rule = 0; rule < settings_.rules.size(); ++rule) {
      const settings::Rule& one = settings_.rules[rule];
      const HttpFilter* const filter = table_.filter_of(rule);
      if (!one.enabled || !one.to || *one.to->site != reach.site || filter == nullptr) continue;
      findings_.note("expectation-past-filter", reach.site_path.where,
                     "the rules let every such request pass; the HTTP filter of " + named(rule) +
                         (filter->enforces() ? " may refuse some" : " reports on some"),
                     "a {request: ...} expectation asks the filter too");
      return;
    }
  }

  const settings::Settings& settings_;
  const RuleTable& table_;
  Findings& findings_;
};

}  // namespace

void prove_expectations(const settings::Settings& settings, const RuleTable& table,
                        Findings& findings) {
  if (settings.examples.empty() && settings.reaches.empty()) return;
  Prover(settings, table, findings).run();
}

}  // namespace ocsproxy::rules
