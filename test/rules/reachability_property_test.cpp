// What is proven of the reach of clients, against the oracle.
#include <algorithm>
#include <random>

#include "base/text.h"
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"
#include "rules/path_mapping.h"
#include "rules/path_parameters.h"
#include "rules/reachability.h"

namespace ocsproxy::rules {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPolicies = 30;
#else
constexpr int kPolicies = 300;
#endif
constexpr int kRequests = 60;

using Outcome = ReachProof::Outcome;

const std::vector<std::string> kClaims = {"/a/*", "/a/b/*", "/x/*", "/x/b", "/*", "/a", "/b/*"};
const std::vector<std::string> kFrom = {"External", "Internal", "Anywhere", "198.51.100.0/24",
                                        "198.51.100.7"};

struct Subject {
  explicit Subject(const std::vector<std::string>& lines) : settings(make_settings(lines)) {
    for (settings::Rule& rule : settings.rules) {
      if (*rule.action == settings::Action::allow) rule.to.emplace().site.value = "pool";
    }
    table = RuleTable::compile(settings, own, findings);
    for (const std::string& path : kClaims) {
      for (const std::string& from : kFrom) {
        for (const bool always : {false, true}) {
          const settings::Rule parts = parse_rule("allow from " + from + " paths " + path);
          settings::Reach reach;
          reach.always = always;
          reach.from = parts.from;
          reach.site = "pool";
          reach.path = parts.paths[0];
          reaches.push_back(reach);
        }
      }
    }
  }

  bool is_from(const settings::Reach& reach, const IpAddress& client) const {
    const settings::Source& source = reach.from[0];
    return source.range
               ? source.range->contains(client)
               : source.text == "Anywhere" || source.text == oracle_network(settings, own, client);
  }

  static bool is_in(const settings::Path& claim, const std::string& path) {
    const std::string text = lower(path), top = lower(claim.external);
    return text == top ||
           (claim.kind == settings::Path::Kind::prefix && text.starts_with(top + '/'));
  }

  // Where the request goes on the site; "" when it is not allowed.
  std::string reached(const Asked& asked) const {
    if (!oracle_serves(settings, own, asked.listener, asked.client)) return {};
    const Decision decision = oracle_decide(settings, own, asked);
    if (decision.verdict != Verdict::allow) return {};
    std::string buffer(asked.path.size() + 64, '\0');
    const settings::Path& mapping = settings.rules[decision.rule].paths[decision.path];
    return std::string(internal_path(mapping, asked.path, buffer).value());
  }

  // Is there any request by which the client gets to that path?
  bool can_reach(const IpAddress& client, const std::string& internal) const {
    std::vector<std::string> names = {"-",         "a.test",      "b.a.test", "c.b.a.test",
                                      "x.test",    "test",        "x.a.test", "x.b.a.test",
                                      "192.0.2.1", "2001:db8::5", "xa.test",  "x.0.2.1"};
    for (const settings::Rule& rule : settings.rules) {
      for (const settings::Path& mapping : rule.paths) {
        std::string buffer(internal.size() + 64, '\0');
        const auto path = external_path(mapping, internal, buffer);
        if (!path) continue;
        for (const std::string& name : names) {
          for (const std::uint32_t listener : {0U, 1U}) {
            const std::string asked_name = name == "-" ? "" : name;
            if (lower(reached({listener, client, "GET", asked_name, std::string(*path)})) ==
                lower(internal)) {
              return true;
            }
          }
        }
      }
    }
    return false;
  }

  const std::vector<IpAddress> own = own_addresses();
  settings::Settings settings;
  Findings findings;
  std::shared_ptr<const RuleTable> table;
  std::vector<settings::Reach> reaches;
};

TEST(ReachabilityProperty, WhatIsProvenHoldsAndWhatIsRefutedHasACounterExample) {
  Generator generate(1105);
  std::array<int, 3> never{}, always{};
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const Subject subject(lines);
    const RequestSpace space({{&subject.settings, subject.table.get()}});
    const std::vector<ReachProof> proofs = prove_reaches(space, subject.reaches);
    std::vector<Asked> requests;
    for (int k = 0; k < kRequests; ++k) {
      const Asked asked = parse_request(generate.request());
      if (is_canonical(asked.path)) requests.push_back(asked);
    }
    for (std::size_t k = 0; k < proofs.size(); ++k) {
      const settings::Reach& reach = subject.reaches[k];
      const ReachProof& proof = proofs[k];
      const std::string context = (reach.always ? "always " : "never ") + reach.path.external +
                                  (reach.path.kind == settings::Path::Kind::prefix ? "/*" : "") +
                                  " from " + reach.from[0].text + print(lines);
      ++(reach.always ? always : never)[static_cast<std::size_t>(proof.outcome)];
      if (proof.outcome == Outcome::violated && !reach.always) {
        const Witness& request = *proof.request;
        const std::string path =
            subject.reached({request.listener == "web" ? 0U : 1U, request.client, request.method,
                             request.name, request.path});
        ASSERT_TRUE(subject.is_from(reach, request.client)) << context;
        ASSERT_TRUE(subject.is_in(reach.path, path) ||
                    subject.is_in(reach.path, without_parameters(path)))
            << request.to_string() << " gets to " << path << context;
      }
      if (proof.outcome == Outcome::violated && reach.always) {
        ASSERT_TRUE(subject.is_from(reach, *proof.client)) << context;
        ASSERT_TRUE(subject.is_in(reach.path, proof.internal_path)) << context;
        ASSERT_FALSE(subject.can_reach(*proof.client, proof.internal_path))
            << proof.client->to_string() << ' ' << proof.internal_path << context;
      }
      if (proof.outcome != Outcome::holds) continue;
      for (const Asked& asked : requests) {
        if (!subject.is_from(reach, asked.client)) continue;
        if (reach.always) {
          if (!subject.is_in(reach.path, asked.path) ||
              !subject.is_in(reach.path, without_parameters(asked.path))) {
            continue;
          }
          ASSERT_TRUE(subject.can_reach(asked.client, asked.path))
              << asked.client.to_string() << ' ' << asked.path << context;
        } else {
          const std::string path = subject.reached(asked);
          ASSERT_FALSE(!path.empty() && (subject.is_in(reach.path, path) ||
                                         subject.is_in(reach.path, without_parameters(path))))
              << asked.name << asked.path << ' ' << asked.client.to_string() << context;
        }
      }
    }
  }
  for (const auto& counts : {never, always}) {
    EXPECT_GT(counts[static_cast<std::size_t>(Outcome::holds)], kPolicies);
    EXPECT_GT(counts[static_cast<std::size_t>(Outcome::violated)], kPolicies);
    EXPECT_GT(counts[static_cast<std::size_t>(Outcome::undecided)], kPolicies / 10);
  }
}

}  // namespace
}  // namespace ocsproxy::rules
