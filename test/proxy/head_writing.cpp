#include "head_writing.h"

#include <array>

#include "base/text.h"
#include "proxy/head_parser.h"
#include "proxy/request_writer.h"
#include "proxy/response_writer.h"
#include "rules/canonical_target.h"

namespace ocsproxy::test {
namespace {

std::string without_star(std::string text, settings::Path::Kind& kind) {
  kind = text.ends_with("/*") ? settings::Path::Kind::prefix : settings::Path::Kind::exact;
  if (kind == settings::Path::Kind::prefix) text.resize(text.size() - 2);
  return text;
}

// A message may not use more of the buffer than it is given, to the byte.
template <typename Write>
std::string into(std::size_t room, Write write) {
  std::vector<char> buffer(room);
  const std::size_t size = write(std::span(buffer));
  EXPECT_LE(size, room);
  return {buffer.data(), size};
}

}  // namespace

settings::Path path(std::string external, std::string internal) {
  settings::Path result;
  if (internal.empty()) internal = external;
  result.external = without_star(std::move(external), result.kind);
  result.internal = without_star(std::move(internal), result.kind);
  return result;
}

settings::Rule ocs_rule(std::vector<settings::Path> paths) {
  settings::Rule rule;
  rule.name.value = "OCS External Web Farm";
  rule.paths = std::move(paths);
  rule.to.emplace();
  rule.to->site.value = "ocspool.contoso.local";
  rule.to->addresses.push_back({"192.168.1.105", {}});
  return rule;
}

settings::Rule with(settings::Rule rule, settings::Bridging bridging, std::uint16_t port) {
  rule.bridging.value = bridging;
  rule.to->port.value = port;
  return rule;
}

settings::Rule with_original_host(settings::Rule rule) {
  rule.to->original_host = true;
  return rule;
}

settings::Rule without_delegation(settings::Rule rule) {
  rule.delegation.value = settings::Delegation::none;
  return rule;
}

std::string written_request(std::string_view text, const Situation& situation) {
  RequestHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_request_head(text, progress, head);
  EXPECT_EQ(outcome.state, HeadOutcome::State::complete) << text << outcome.refusal.why;
  RequestFraming framing;
  const Refusal bad_framing = request_framing(head, framing);
  EXPECT_FALSE(bad_framing) << bad_framing.why;
  rules::CanonicalTarget target;
  std::vector<char> path_buffer(head.target.size() * 3);
  EXPECT_EQ(rules::canonicalize(head.target, situation.client_secure, path_buffer, target),
            rules::TargetError::none);
  RequestHost host;
  std::array<char, kHostBytes> host_buffer;
  const Refusal bad_host = request_host(head, target.authority, 443, host_buffer, host);
  EXPECT_FALSE(bad_host) << bad_host.why;
  rules::CanonicalTarget destination;
  std::vector<char> destination_buffer(text.size() * 3);
  if (situation.destination_judged && head.fields.has(FieldId::destination)) {
    EXPECT_EQ(rules::canonicalize(head.fields.value(FieldId::destination), situation.client_secure,
                                  destination_buffer, destination),
              rules::TargetError::none);
  }
  const RequestRewrite rewrite{.rule = &situation.rule,
                               .path = situation.path,
                               .target = target,
                               .host = host,
                               .framing = framing,
                               .client_address = IpAddress::parse(situation.client_address).value(),
                               .client_secure = situation.client_secure,
                               .request_id = kRequestId,
                               .via = kPseudonym,
                               .destination = destination,
                               .destination_path = situation.path};
  return into(situation.room,
              [&](std::span<char> out) { return write_request_head(head, rewrite, out); });
}

std::string written_response(std::string_view text, const ResponseSituation& situation) {
  ResponseHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_response_head(text, progress, head);
  EXPECT_EQ(outcome.state, HeadOutcome::State::complete) << text << outcome.refusal.why;
  ResponseFraming framing;
  const Refusal bad_framing = response_framing(head, situation.asked, framing);
  EXPECT_FALSE(bad_framing) << bad_framing.why;
  RequestHost host;
  std::array<char, kHostBytes> host_buffer;
  if (!situation.host.empty()) {
    host.as_sent = situation.host;
    EXPECT_TRUE(rules::parse_authority(situation.host, host_buffer, host.authority));
  }
  const ResponseRewrite rewrite{.rule = &situation.rule,
                                .path = situation.path,
                                .request_version = situation.request_version,
                                .framing = framing,
                                .host = host,
                                .client_secure = situation.client_secure,
                                .keep_alive = situation.keep_alive,
                                .via = kPseudonym,
                                .request_id = kRequestId};
  return into(situation.room,
              [&](std::span<char> out) { return write_response_head(head, rewrite, out); });
}

std::vector<std::string> lines_of(std::string_view head, std::string_view name) {
  std::vector<std::string> found;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    if (istarts_with(line, name) && line.substr(name.size()).starts_with(':')) {
      found.emplace_back(line);
    }
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 2);
  }
  return found;
}

std::string value_of(std::string_view head, std::string_view name) {
  const std::vector<std::string> lines = lines_of(head, name);
  if (lines.empty()) return "(none)";
  return lines.size() > 1 ? "(several)" : std::string(trim(lines[0].substr(name.size() + 1)));
}

}  // namespace ocsproxy::test
