// What a listener's policy answers to a request: the order in which its conditions are asked.
#pragma once

#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

enum class Answer : std::uint8_t {
  forward,
  deny,
  redirect,    // by a rule
  to_https,    // plain HTTP, by the listener: to the same URL
  not_served,  // the listener is not for clients of this network
};

struct Judged {
  Answer answer = Answer::deny;
  Decision decision{};  // of the rules, when they were asked
};

// Is a plain request that comes to a listener with `redirect: https` sent there? Only what changes
// nothing (GET, HEAD), and only for names that are published: nobody can be sent elsewhere by a
// Host that he was made to send. Else it is denied.
bool goes_to_https(const RuleTable& table, std::uint32_t listener, std::string_view name,
                   std::string_view method);

// Pure, without allocation. `settings` are what `table` was compiled from.
Judged judge(const settings::Settings& settings, const RuleTable& table, bool secure,
             const Request& request);

}  // namespace ocsproxy::rules
