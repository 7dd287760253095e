// A request of an access log before another policy: what became of it then, and what would now.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "check/log_entry.h"
#include "rules/request_space.h"

namespace ocsproxy {

enum class Outcome : std::uint8_t {
  allowed,
  denied,
  redirected,  // where a rule says
  to_https,    // by the listener
  not_served,  // now: the listener is not for this client, or has no such port
  refused,     // now: the message itself, before any rule, or by the rule's HTTP filter
};

// Why a line is not judged.
enum class Unjudged : std::uint8_t {
  // The configuration has no say in these:
  refused_then,    // the message itself was refused, before any rule was asked
  not_publishing,  // ISA Server was asked as a forward proxy
  // These could differ:
  cut_off,
  too_long,
  no_columns,
  missing_columns,
  other_columns,
  no_json,
  no_client,
  no_request,
  cut_url,
  no_outcome,
  filtered_then,  // by an HTTP filter, and today's may look at what the log does not have
  unknown_listener,
  no_listener,
  many_listeners,
};
inline constexpr auto kUnjudged = static_cast<std::size_t>(Unjudged::many_listeners) + 1;
constexpr bool has_no_say(Unjudged why) { return why <= Unjudged::not_publishing; }

struct Then {
  Outcome outcome = Outcome::denied;
  std::string_view rule{};  // as the log spells it; "": none decided
  std::string_view site{};  // as the log spells it; allowed, of our own logs
};

struct Now {
  Outcome outcome = Outcome::denied;
  std::uint32_t rule = rules::kNoRule;
  std::string_view reason{};  // refused: a literal

  friend bool operator==(const Now&, const Now&) = default;
};

// One thread; no allocation for a line in the steady state.
class LogJudge {
 public:
  // `policy` has no errors, and outlives this. `listener`: where requests came in of which the log
  // does not say so, or says one that the policy does not have.
  explicit LogJudge(const rules::Policy& policy, std::optional<std::uint32_t> listener = {});
  ~LogJudge();

  struct Judged {
    Then then;  // views into the entry
    Now now;
    bool same_site = true;  // allowed both times: does it go to the same site?
    bool same_rule = true;  // is it decided by the same one?
  };
  // Why not, or nothing, and `judged` is filled.
  std::optional<Unjudged> judge(const LogEntry& entry, Judged& judged);

 private:
  struct Message;
  // How a log of one form spells each rule and its site. They stand side by side: of a hundred
  // thousand rules every line asks for another one, and what it costs is the way to memory.
  struct SpelledRules {
    struct Place {
      std::size_t begin = 0;             // of the rule's name; its site's follows
      std::uint32_t name = 0, site = 0;  // sizes
    };
    std::vector<Place> places;  // by rule
    std::string text;
  };

  std::optional<Unjudged> find_listener(const LogEntry& entry);
  std::optional<Unjudged> choose_listener();
  Now judge_at(std::uint32_t listener) const;
  const SpelledRules& spelled_rules(LogForm form);
  void compare(const LogEntry& entry, Judged& judged);

  using Names = std::map<std::string, std::uint32_t, std::less<>>;

  const settings::Settings& settings_;
  const rules::RuleTable& table_;
  const std::optional<std::uint32_t> listener_for_others_;
  std::array<Names, 2> listeners_;  // by LogForm: as our own logs spell them

  std::array<std::optional<SpelledRules>, 3> spelled_rules_;  // by LogForm, from its first line on

  const std::unique_ptr<Message> message_;  // under judgement
  std::vector<std::uint32_t> candidates_;
  std::uint32_t chosen_ = 0;  // the listener
};

// What the log says became of it; nothing when it does not say, and of what was refused.
std::optional<Then> read_outcome(const LogEntry& entry);

}  // namespace ocsproxy
