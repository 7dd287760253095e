#include <limits>

#include "proxy/framing.h"
#include "proxy/host.h"
#include "rules/canonical_target.h"
#include "test/fuzz/head_properties.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

void require_sound_framing(const RequestHead& head) {
  RequestFraming framing;
  if (const Refusal refusal = request_framing(head, framing)) {
    require(refusal.status == 400 || refusal.status == 417 || refusal.status == 501,
            "framing is refused with 400, 417 or 501");
    return;
  }
  const std::size_t lengths = head.fields.count(FieldId::content_length);
  const std::size_t codings = head.fields.count(FieldId::transfer_encoding);
  require(lengths + codings <= 1, "one field at most decides the length");
  require((framing.body == BodyKind::chunked) == (codings == 1), "chunked needs its field");
  require((framing.body == BodyKind::length) == (lengths == 1), "a length needs its field");
  require(framing.length <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()),
          "a length fits 63 bits");
  require(!framing.websocket || !framing.has_body(), "an upgrade has no body");
  require(!framing.options.lists("host") && !framing.options.lists("content-length") &&
              !framing.options.lists("transfer-encoding"),
          "Connection names no indispensable field");
}

void require_sound_host(const RequestHead& head) {
  std::string buffer(head.target.size() * 3 + 1, '\0');
  rules::CanonicalTarget target;
  if (rules::canonicalize(head.target, true, buffer, target) != rules::TargetError::none) return;
  char name[kHostBytes];
  RequestHost host;
  if (const Refusal refusal = request_host(head, target.authority, 443, name, host)) {
    require(refusal.status == 400, "a host is refused with 400");
    return;
  }
  require(head.fields.count(FieldId::host) <= 1, "two Host fields are refused");
  require(!host.authority.name.empty() || head.version == Version::http1_0, "HTTP/1.1 has a name");
  require(host.authority.name == lower(host.authority.name), "names are in lower case");
}

}  // namespace

void request_head(std::string_view input) {
  const auto head = std::make_unique<RequestHead>();
  HeadProgress progress;
  const HeadOutcome outcome = parse_request_head(input, progress, *head);
  require_same_when_cut<RequestHead>(input, outcome, [](auto text, auto& state, auto& into) {
    return parse_request_head(text, state, into);
  });
  if (outcome.state != HeadOutcome::State::complete) return;

  const std::string_view text = input.substr(0, outcome.size);
  require(text.ends_with("\r\n\r\n"), "a head ends with an empty line");
  require(is_token(head->method), "the method is a token");
  require(lies_in(head->target, text) && !head->target.empty(), "the target lies in the head");
  require_clean_fields(head->fields, text);

  const std::string again = std::string(head->method) + " " + std::string(head->target) +
                            (head->version == Version::http1_0 ? " HTTP/1.0" : " HTTP/1.1") +
                            "\r\n" + written(head->fields);
  if (again.size() <= kMaxHeadBytes) {
    const auto second = std::make_unique<RequestHead>();
    HeadProgress from_start;
    const HeadOutcome whole = parse_request_head(again, from_start, *second);
    require(whole.state == HeadOutcome::State::complete && whole.size == again.size(),
            "a head written anew is accepted");
    require(second->method == head->method && second->target == head->target,
            "a head written anew asks the same");
    require_same_fields(head->fields, second->fields);
  }
  require_sound_framing(*head);
  require_sound_host(*head);
}

}  // namespace ocsproxy::fuzz
