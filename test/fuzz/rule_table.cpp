#include "rules/rule_table.h"

#include <string>
#include <vector>

#include "test/fuzz/targets.h"
#include "test/rules/policy_generator.h"
#include "test/rules/policy_oracle.h"
#include "test/rules/policy_text.h"

namespace ocsproxy::fuzz {
namespace {

constexpr std::size_t kRequests = 24;

void require_same_answers(const rules::RuleTable& table, const settings::Settings& settings,
                          const rules::Asked& asked) {
  const std::vector<IpAddress> own = rules::own_addresses();
  const rules::Request request{asked.listener, table.locate(asked.client), asked.name, asked.path,
                               asked.method};
  require(rules::to_text(table.decide(request)) ==
              rules::to_text(rules::oracle_decide(settings, own, asked)),
          "the table decides as the rules read one by one");
  require(table.network_name(request.client) == rules::oracle_network(settings, own, asked.client),
          "a client is in the network that the settings say");
  require(table.serves(asked.listener, request.client) ==
              rules::oracle_serves(settings, own, asked.listener, asked.client),
          "a listener serves the networks that the settings say");
  require(table.trace(request) == rules::oracle_trace(settings, own, asked),
          "each rule says of itself what it says alone");
}

}  // namespace

// The bytes are the choices of which a policy is made, and then requests as long as there are any.
void rule_table(std::string_view input) {
  rules::Generator generate(input);
  const settings::Settings settings = rules::make_settings(generate.policy());
  Findings findings;
  const auto table = rules::RuleTable::compile(settings, rules::own_addresses(), findings);
  for (std::size_t i = 0; i < kRequests && !generate.spent(); ++i) {
    const rules::Asked asked = rules::parse_request(generate.request());
    if (rules::is_canonical(asked.path)) require_same_answers(*table, settings, asked);
  }
}

}  // namespace ocsproxy::fuzz
