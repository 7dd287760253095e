#include "proxy/judgement.h"

#include <array>

namespace ocsproxy {
namespace {

// From what is configured, but for the name, which is published.
std::string https_location(const settings::Listener& listener, const ExaminedRequest& examined) {
  const rules::Authority& name = examined.host.authority;
  const bool v6 = name.is_address && name.name.find(':') != std::string_view::npos;
  std::string location = "https://";
  location.append(v6 ? "[" : "").append(name.name).append(v6 ? "]" : "");
  if (*listener.https->port != 443) {
    location.append(":").append(std::to_string(*listener.https->port));
  }
  return location.append(examined.target.path).append(examined.target.query);
}

}  // namespace

Refusal examine_request(const RequestHead& head, bool secure, std::uint16_t port,
                        std::span<char> path, std::span<char> host, ExaminedRequest& examined) {
  if (const Refusal bad = request_framing(head, examined.framing)) return bad;
  const bool star = head.target == "*" && head.method_id == Method::options;
  if (star || head.method_id == Method::connect || head.method_id == Method::trace) {
    return {405, "the method is not forwarded"};
  }
  if (head.target.size() > kMaxTargetBytes)
    return {414, "the request target is longer than 16 KiB"};
  const rules::TargetError bad_target =
      rules::canonicalize(head.target, secure, path, examined.target);
  if (bad_target != rules::TargetError::none) return {400, rules::describe(bad_target)};
  return request_host(head, examined.target.authority, port, host, examined.host);
}

Judgement judge_request(const settings::Settings& settings, const rules::RuleTable& table,
                        const Entrance& entrance, const RequestHead& head,
                        const ExaminedRequest& examined) {
  const auto [answer, decision] = rules::judge(settings, table, entrance.secure,
                                               {.listener = entrance.listener,
                                                .client = entrance.client,
                                                .public_name = examined.host.authority.name,
                                                .path = examined.target.path,
                                                .method = head.method});
  Judgement judgement{.answer = answer, .decision = decision};
  if (answer == rules::Answer::to_https) {
    judgement.location = https_location(settings.listeners[entrance.listener], examined);
  } else if (answer == rules::Answer::redirect) {
    judgement.location = *settings.rules[decision.rule].redirect;
  }
  return judgement;
}

void judge_destination(const rules::RuleTable& table, const Entrance& entrance,
                       const RequestHead& head, const rules::Decision& decision,
                       RequestRewrite& rewrite, std::span<char> path) {
  const std::string_view value = head.fields.value(FieldId::destination);
  rules::CanonicalTarget wanted;
  if (value.empty() || value.size() > path.size() || head.fields.count(FieldId::destination) != 1 ||
      rules::canonicalize(value, entrance.secure, path, wanted) != rules::TargetError::none) {
    return;
  }
  rules::Authority authority{.name = rewrite.host.authority.name};
  std::array<char, kHostBytes> name;
  if (!wanted.authority.empty() && !rules::parse_authority(wanted.authority, name, authority))
    return;
  const rules::Decision second = table.decide({.listener = entrance.listener,
                                               .client = entrance.client,
                                               .public_name = authority.name,
                                               .path = wanted.path,
                                               .method = head.method});
  if (second.verdict != rules::Verdict::allow || second.rule != decision.rule) return;
  // It is a URL as the request's own is, and its filter is the same.
  std::array<char, 2 * 4096 + 2> scratch;
  const rules::Filtered filtered = rules::filter_request(
      table.filter_of(decision.rule), {.method = head.method, .target = wanted}, scratch);
  if (filtered.refused) return;
  rewrite.destination = wanted;
  rewrite.destination_path = second.path;
}

}  // namespace ocsproxy
