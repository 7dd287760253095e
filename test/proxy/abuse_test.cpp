// The abuse cases that parsing decides, run through the steps in the order of an exchange: head,
// framing, body. What rules and header policy decide is tested where they are.
#include <algorithm>

#include "base/text.h"
#include "proxy/framing.h"
#include "proxy/head_parser.h"
#include "test/proxy/abuse_cases.h"
#include "test/proxy/chunked_runner.h"

namespace ocsproxy::test {
namespace {

struct Verdict {
  bool refused = false;  // or never complete
  int status = 0;
  std::string_view why;
  std::string body;  // as it would go on
};

Verdict refuse(const Refusal& refusal) { return {true, refusal.status, refusal.why, ""}; }

Verdict judge_client(std::string_view bytes) {
  RequestHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_request_head(bytes, progress, head);
  if (outcome.state != HeadOutcome::State::complete)
    return {true, outcome.refusal.status, outcome.refusal.why, ""};
  RequestFraming framing;
  if (const Refusal refusal = request_framing(head, framing)) return refuse(refusal);
  const std::string_view rest = bytes.substr(outcome.size);
  if (framing.body == BodyKind::length) {
    if (rest.size() < framing.length) return {true, 0, "incomplete body", ""};
    return {false, 0, "", std::string(rest.substr(0, framing.length))};
  }
  if (framing.body == BodyKind::none) return {};
  const Decoded decoded = decode(ChunkedDecoder::Mode::verbatim, rest);
  return {decoded.state != ChunkedDecoder::State::complete, decoded.refusal.status,
          decoded.refusal.why, decoded.out};
}

bool may_be_forwarded(const ClientCase& c) {
  return c.ok.contains("accept") || c.ok.contains("normalise");
}

void expect_right(const ClientCase& c) {
  SCOPED_TRACE(c.name + ": " + c.why);
  const Verdict verdict = judge_client(c.bytes);
  if (!verdict.refused) {
    EXPECT_TRUE(may_be_forwarded(c)) << "was let through";
    const std::string sent = "\r\n\r\n" + lower(verdict.body);
    for (const std::string& text : c.must_not)
      EXPECT_THAT(sent, testing::Not(testing::HasSubstr(text)));
    if (c.kind == "chunked-body") {
      for (const std::string& text : c.must) EXPECT_THAT(sent, testing::HasSubstr(text));
    }
    return;
  }
  // A body that has not come yet is a matter of deadlines.
  if (verdict.status == 0 && may_be_forwarded(c)) return;
  EXPECT_TRUE(c.ok.contains("reject")) << verdict.why;
  if (verdict.status != 0 && !c.status.empty()) {
    EXPECT_TRUE(c.status.contains(verdict.status)) << verdict.status << " " << verdict.why;
  }
}

TEST(Abuse, MessagesOfClientsGetTheVerdictTheyDeserve) {
  const std::vector<ClientCase> cases =
      client_cases({"content-length", "transfer-encoding", "chunked-body", "field-syntax",
                    "request-line", "limits", "expect-upgrade-trace"});
  ASSERT_GT(cases.size(), 150U);
  for (const ClientCase& c : cases) {
    if (c.name == "trace_body") continue;  // TRACE is refused as a method, not as a message
    expect_right(c);
  }
}

Verdict judge_upstream(std::string_view bytes) {
  for (;;) {
    ResponseHead head;
    HeadProgress progress;
    const HeadOutcome outcome = parse_response_head(bytes, progress, head);
    if (outcome.state != HeadOutcome::State::complete) return {true, 502, outcome.refusal.why, ""};
    ResponseFraming framing;
    if (const Refusal refusal = response_framing(head, {}, framing)) return refuse(refusal);
    bytes.remove_prefix(outcome.size);
    if (!framing.interim) return {false, head.status, "", ""};
  }
}

TEST(Abuse, BrokenResponsesOfAPublishedSiteNeverPassAsGoodOnes) {
  const std::vector<UpstreamCase> cases =
      upstream_cases({"syntax", "limits", "framing", "interim", "bodyless"});
  ASSERT_GT(cases.size(), 30U);
  for (const UpstreamCase& c : cases) {
    SCOPED_TRACE(c.name + ": " + c.why);
    if (c.name == "1xx_flood") continue;  // the exchange counts interim responses
    const Verdict verdict = judge_upstream(c.bytes);
    EXPECT_TRUE(c.client_status.contains(verdict.status)) << verdict.status << " " << verdict.why;
  }
}

}  // namespace
}  // namespace ocsproxy::test
