#include "rules/judge.h"

namespace ocsproxy::rules {

bool goes_to_https(const RuleTable& table, std::uint32_t listener, std::string_view name,
                   std::string_view method) {
  return (method == "GET" || method == "HEAD") && !name.empty() && table.publishes(listener, name);
}

Judged judge(const settings::Settings& settings, const RuleTable& table, bool secure,
             const Request& request) {
  if (!table.serves(request.listener, request.client)) return {Answer::not_served};
  const settings::Listener& listener = settings.listeners[request.listener];
  if (!secure && listener.http && listener.http->redirect_to_https) {
    const bool goes = goes_to_https(table, request.listener, request.public_name, request.method);
    return {goes ? Answer::to_https : Answer::deny};
  }
  const Decision decision = table.decide(request);
  switch (decision.verdict) {
    case Verdict::allow:
      return {Answer::forward, decision};
    case Verdict::redirect:
      return {Answer::redirect, decision};
    case Verdict::deny:
      break;
  }
  return {Answer::deny, decision};
}

}  // namespace ocsproxy::rules
