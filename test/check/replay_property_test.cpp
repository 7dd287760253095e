// Recorded traffic against the oracle: the log of one policy, replayed before another, shows just
// the requests that the two answer differently.
#include <array>
#include <cstring>
#include <map>

#include "check/replay.h"
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"
#include "proxy/access_log.h"

namespace ocsproxy {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPairs = 100;
#else
constexpr int kPairs = 1'000;
#endif
constexpr int kRequests = 60;  // of each pair

struct Side {
  explicit Side(const std::vector<std::string>& lines) : settings(rules::make_settings(lines)) {
    for (std::size_t i = 0; i < settings.rules.size(); ++i) {
      settings::Rule& rule = settings.rules[i];
      rule.name.value = "rule \"" + std::to_string(i) + "\" \\";
      if (*rule.action == settings::Action::allow) rule.to.emplace().site.value = "site.local";
    }
    for (settings::Listener& listener : settings.listeners) listener.https.emplace();
    table = rules::RuleTable::compile(settings, own, findings);
  }

  // By the oracle; the decision is that of no rule where the listener does not serve the client.
  rules::Decision decide(const rules::Asked& asked) const {
    if (!rules::oracle_serves(settings, own, asked.listener, asked.client)) return {};
    return rules::oracle_decide(settings, own, asked);
  }

  const std::vector<IpAddress> own = rules::own_addresses();
  settings::Settings settings;
  Findings findings;
  std::shared_ptr<const rules::RuleTable> table;
};

std::string log_line(const rules::Asked& asked, const Side& side, bool as_json) {
  const rules::Decision decision = side.decide(asked);
  const bool allowed = decision.verdict == rules::Verdict::allow;
  AccessRecord record;
  record.client.ip = asked.client;
  record.method = asked.method;
  const bool v6 = asked.name.find(':') != std::string::npos;
  const std::string host = v6 ? '[' + asked.name + ']' : asked.name;
  record.public_host = host;
  record.target = asked.path;
  record.client_secure = true;
  record.listener = *side.settings.listeners[asked.listener].name;
  if (decision.rule != rules::kNoRule) record.rule = *side.settings.rules[decision.rule].name;
  record.action = allowed ? LogAction::allowed : LogAction::denied;
  record.status = decision.verdict == rules::Verdict::redirect ? 302 : allowed ? 200 : 403;
  if (allowed) record.site = "site.local";
  std::array<char, kAccessLineBytes> buffer;
  return std::string(as_json ? format_json(record, buffer) : format_w3c(record, buffer));
}

std::optional<Change> predicted(rules::Verdict then, rules::Verdict now) {
  if (then == now) return std::nullopt;
  if (now == rules::Verdict::allow) return Change::opened;
  return then == rules::Verdict::allow ? Change::closed : Change::answer;
}

std::map<Change, std::uint64_t> replay(const std::string& log, const Side& side) {
  std::string_view rest = log;
  LogLines lines([&rest](std::span<char> into) -> Result<std::size_t> {
    const std::size_t size = std::min(rest.size(), into.size());
    std::memcpy(into.data(), rest.data(), size);
    rest.remove_prefix(size);
    return size;
  });
  Replay replay({&side.settings, side.table.get()}, {});
  EXPECT_TRUE(replay.add("log", lines, [] {}));
  const ReplayResult result = replay.take();
  EXPECT_EQ(result.same + result.changed(), result.lines);
  std::map<Change, std::uint64_t> changes;
  for (const auto& [group, examples] : result.groups) {
    if (group.change) changes[*group.change] += examples.lines;
  }
  return changes;
}

TEST(ReplayProperty, TheLogOfAPolicyShowsWhereAnotherAnswersDifferently) {
  rules::Generator generate(505);
  std::uint64_t changed = 0;
  for (int i = 0; i < kPairs; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const std::vector<std::string> edited = generate.edited(lines);
    const Side before(lines), now(edited);
    std::array<char, kAccessLineBytes> buffer;
    std::string log(w3c_header({}, buffer));
    std::map<Change, std::uint64_t> expected;
    for (int k = 0; k < kRequests; ++k) {
      const rules::Asked asked = rules::parse_request(generate.request());
      if (!rules::is_canonical(asked.path)) continue;
      log += log_line(asked, before, generate.one_in(2));
      const auto change = predicted(before.decide(asked).verdict, now.decide(asked).verdict);
      if (!change) continue;
      ++expected[*change];
      ++changed;
    }
    const std::string context = rules::print(lines) + "\nand" + rules::print(edited) + '\n' + log;
    ASSERT_EQ(replay(log, before), (std::map<Change, std::uint64_t>())) << context;
    ASSERT_EQ(replay(log, now), expected) << context;
  }
  EXPECT_GT(changed, kPairs / 2);  // else it would have looked at nothing
}

}  // namespace
}  // namespace ocsproxy
