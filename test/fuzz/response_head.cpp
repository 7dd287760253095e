#include "proxy/framing.h"
#include "test/fuzz/head_properties.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

void require_sound_framing(const ResponseHead& head, Asked asked) {
  ResponseFraming framing;
  if (const Refusal refusal = response_framing(head, asked, framing)) {
    require(refusal.status == 502, "a response is refused with 502");
    return;
  }
  require(!framing.tunnel || (asked.websocket && head.status == 101), "a tunnel was asked for");
  require(framing.interim == (head.status < 200 && head.status != 101), "1xx is interim");
  require(framing.body != BodyKind::until_close || !framing.keep_alive,
          "a body until the end leaves no connection");
  if (asked.method == Method::head || head.status < 200 || head.status == 204 ||
      head.status == 304) {
    require(framing.body == BodyKind::none, "no body where there may be none");
  } else {
    require(framing.body != BodyKind::none, "every other response has a body, if of no bytes");
  }
  require(!framing.content_length_valid || head.fields.count(FieldId::content_length) == 1,
          "a length that goes on was given once");
}

}  // namespace

void response_head(std::string_view input) {
  const auto head = std::make_unique<ResponseHead>();
  HeadProgress progress;
  const HeadOutcome outcome = parse_response_head(input, progress, *head);
  require_same_when_cut<ResponseHead>(input, outcome, [](auto text, auto& state, auto& into) {
    return parse_response_head(text, state, into);
  });
  require(outcome.refusal.status == 0 || outcome.refusal.status == 502, "refusals are 502");
  if (outcome.state != HeadOutcome::State::complete) return;

  const std::string_view text = input.substr(0, outcome.size);
  require(head->status >= 100 && head->status <= 999, "a status has three digits");
  require(lies_in(head->reason, text), "the reason lies in the head");
  require_clean_fields(head->fields, text);

  const std::string again = (head->version == Version::http1_0 ? "HTTP/1.0 " : "HTTP/1.1 ") +
                            std::to_string(head->status) + " " + std::string(head->reason) +
                            "\r\n" + written(head->fields);
  if (again.size() <= kMaxHeadBytes) {
    const auto second = std::make_unique<ResponseHead>();
    HeadProgress from_start;
    const HeadOutcome whole = parse_response_head(again, from_start, *second);
    require(whole.state == HeadOutcome::State::complete && whole.size == again.size(),
            "a head written anew is accepted");
    require(second->status == head->status && second->reason == head->reason,
            "a head written anew says the same");
    require_same_fields(head->fields, second->fields);
  }
  for (const Method method : {Method::get, Method::head}) {
    for (const bool websocket : {false, true}) require_sound_framing(*head, {method, websocket});
  }
}

}  // namespace ocsproxy::fuzz
