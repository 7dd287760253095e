// What is asked, and may it be? The part of an exchange that decides, without a connection: so that
// --explain asks the very code that serves. Pure functions, no allocation unless they redirect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "proxy/framing.h"
#include "proxy/head.h"
#include "proxy/host.h"
#include "proxy/request_writer.h"
#include "rules/canonical_target.h"
#include "rules/judge.h"
#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy {

// The longest request target. IIS refuses longer ones, and ISA's default was 10,240.
inline constexpr std::size_t kMaxTargetBytes = std::size_t{16} * 1024;

// Through which door a request came.
struct Entrance {
  bool secure = false;         // over TLS
  std::uint16_t port = 0;      // of the listener
  std::uint32_t listener = 0;  // index into Settings::listeners
  rules::ClientPosition client;
};

// What a head was found to ask for; views into the head and the buffers.
struct ExaminedRequest {
  RequestFraming framing;
  rules::CanonicalTarget target;
  RequestHost host;
};

// Is it a message that everybody reads the same way, and one that is forwarded? `path` receives the
// canonical path, kMaxTargetBytes suffice; `host` the name, kHostBytes suffice. After a refusal the
// rest of `examined` is unspecified.
Refusal examine_request(const RequestHead& head, bool secure, std::uint16_t port,
                        std::span<char> path, std::span<char> host, ExaminedRequest& examined);

struct Judgement {
  rules::Answer answer = rules::Answer::deny;
  rules::Decision decision{};  // of the rules, when they were asked
  std::string location{};      // when it is redirected, by a rule or to https
};

// What the policy says. `examined` was not refused.
Judgement judge_request(const settings::Settings& settings, const rules::RuleTable& table,
                        const Entrance& entrance, const RequestHead& head,
                        const ExaminedRequest& examined);

// MOVE and COPY (RFC 4918 10.3) name a second target: it goes on only if the client may use it, by
// `decision`'s rule, at the same site. Fills `rewrite`; `path` receives the canonical path.
void judge_destination(const rules::RuleTable& table, const Entrance& entrance,
                       const RequestHead& head, const rules::Decision& decision,
                       RequestRewrite& rewrite, std::span<char> path);

}  // namespace ocsproxy
