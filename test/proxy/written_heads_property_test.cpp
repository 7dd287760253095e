// Whatever heads the parser lets in, the heads that go out are what was meant: read again by the
// same parser they give the message that was decided, and nothing of the input ends a line.

#include <algorithm>
#include <array>
#include <random>
#include <set>

#include "abuse_cases.h"
#include "base/text.h"
#include "head_writing.h"
#include "proxy/head_parser.h"
#include "proxy/head_writer.h"

namespace ocsproxy {
namespace {

using test::path;
using test::ResponseSituation;

constexpr int kRounds = 20'000;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_);
  }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <typename List>
  auto pick(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::mt19937 engine_;
};

constexpr std::string_view kNames[] = {"Connection",
                                       "Keep-Alive",
                                       "Proxy-Connection",
                                       "Proxy-Authorization",
                                       "TE",
                                       "Trailer",
                                       "Upgrade",
                                       "HTTP2-Settings",
                                       "X-Forwarded-For",
                                       "x-forwarded-PORT",
                                       "Forwarded",
                                       "X-Real-IP",
                                       "X-Original-URL",
                                       "Front-End-Https",
                                       "X-SSL-Client-Cert",
                                       "Client-Cert",
                                       "Proxy",
                                       "X-Request-Id",
                                       "X_Forwarded_For",
                                       "Via",
                                       "Authorization",
                                       "Cookie",
                                       "Referer",
                                       "Origin",
                                       "Expect",
                                       "Max-Forwards",
                                       "User-Agent",
                                       "X-Other",
                                       "X-Hop",
                                       "Accept",
                                       "Location",
                                       "Content-Location",
                                       "Set-Cookie",
                                       "Server",
                                       "WWW-Authenticate",
                                       "Persistent-Auth",
                                       "Sec-WebSocket-Key",
                                       "Host2",
                                       "Content-Type",
                                       "Proxy-Authenticate"};

constexpr std::string_view kValues[] = {"",
                                        "a",
                                        "close",
                                        "keep-alive, X-Hop",
                                        "x-other,via , x-forwarded-for",
                                        "Upgrade",
                                        "websocket",
                                        "h2c, websocket",
                                        "trailers",
                                        "100-continue",
                                        "10.0.0.1",
                                        "1.1 x, 1.0 ocsproxy",
                                        "https://ocspool.contoso.local/abs/ext/x?y",
                                        "https://ocsweb.contoso.com/abs/x#z",
                                        "http://192.168.1.105:443",
                                        "//ocspool.contoso.local",
                                        "/abs/ext/\"quoted\"",
                                        "/\\evil",
                                        "a=b; Domain=ocspool.contoso.local; Path=/abs/ext; Secure",
                                        "a=b;;;Path=/;domain=;",
                                        "NTLM TlRMTVNTUAAB",
                                        "\xff\xfe \xc3\xbc",
                                        "tab\tinside",
                                        "GET / HTTP/1.1 x: y"};

std::string random_value(Random& random) {
  std::string value(random.pick(kValues));
  if (random.one_in(6)) value += std::string(random.below(300), '/');
  if (random.one_in(6)) {
    // What the parser must keep out, or the writer.
    constexpr char kBytes[] = {'\r', '\n', '\0', '\x01', '\x7f', ':', ' ', '\t', ',', ';'};
    value.insert(random.below(value.size() + 1), 1, random.pick(kBytes));
  }
  return value;
}

std::string random_fields(Random& random) {
  std::string fields;
  for (std::size_t i = random.below(12); i > 0; --i) {
    fields.append(random.pick(kNames)).append(random.one_in(8) ? ":" : ": ");
    fields.append(random_value(random)).append("\r\n");
  }
  return fields;
}

// A body that may be announced.
std::string random_framing(Random& random) {
  constexpr std::string_view kFraming[] = {"", "", "Content-Length: 0\r\n",
                                           "Content-Length: 0042\r\n",
                                           "Transfer-Encoding: chunked\r\n"};
  return std::string(random.pick(kFraming));
}

void expect_lines_end_only_where_meant(std::string_view head, std::size_t fields) {
  const auto count = [&](char c) {
    return static_cast<std::size_t>(std::count(head.begin(), head.end(), c));
  };
  EXPECT_EQ(count('\r'), fields + 2);
  EXPECT_EQ(count('\n'), fields + 2);
  EXPECT_EQ(count('\0'), 0U);
}

// What of the received fields goes on unchanged, by rules that are written down here once more.
using Sent = std::vector<std::pair<std::string, std::string>>;

bool named_in_connection(const FieldList& fields, std::string_view name) {
  for (const FieldView& field : fields) {
    if (!iequals(field.name, "connection")) continue;
    std::string_view rest = field.value;
    while (true) {
      const std::size_t comma = rest.find(',');
      if (iequals(trim(rest.substr(0, comma)), name)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

Sent unchanged(const FieldList& fields, const std::set<std::string, std::less<>>& handled) {
  Sent sent;
  for (const FieldView& field : fields) {
    const std::string name = lower(field.name);
    if (handled.contains(name) || named_in_connection(fields, name)) continue;
    sent.emplace_back(field.name, field.value);
  }
  return sent;
}

const std::set<std::string, std::less<>> kRequestHandled = {"connection",
                                                            "keep-alive",
                                                            "proxy-connection",
                                                            "proxy-authorization",
                                                            "te",
                                                            "trailer",
                                                            "upgrade",
                                                            "http2-settings",
                                                            "x-forwarded-for",
                                                            "x-forwarded-port",
                                                            "forwarded",
                                                            "x-real-ip",
                                                            "x-original-url",
                                                            "front-end-https",
                                                            "x-ssl-client-cert",
                                                            "client-cert",
                                                            "proxy",
                                                            "x-request-id",
                                                            "x_forwarded_for",
                                                            "expect",
                                                            "host",
                                                            "content-length",
                                                            "transfer-encoding",
                                                            "referer",
                                                            "origin",
                                                            "proxy-authenticate"};
const std::set<std::string, std::less<>> kResponseHandled = {"connection",
                                                             "keep-alive",
                                                             "proxy-connection",
                                                             "proxy-authorization",
                                                             "te",
                                                             "trailer",
                                                             "upgrade",
                                                             "http2-settings",
                                                             "x-request-id",
                                                             "content-length",
                                                             "transfer-encoding",
                                                             "location",
                                                             "content-location",
                                                             "set-cookie",
                                                             "proxy-authenticate"};

// The same of what was written, without what the proxy adds.
Sent unchanged_of_written(const FieldList& fields, std::set<std::string, std::less<>> handled,
                          const std::set<std::string, std::less<>>& own) {
  handled.insert(own.begin(), own.end());
  Sent sent;
  for (const FieldView& field : fields) {
    const bool our_via = field.name == "Via" && field.value.ends_with(test::kPseudonym);
    if (!our_via && !handled.contains(lower(field.name))) {
      sent.emplace_back(field.name, field.value);
    }
  }
  return sent;
}

struct World {
  settings::Rule rule;
  bool secure;
};

World random_world(Random& random) {
  const std::vector<settings::Path> paths[] = {
      {path("/*")}, {path("/*", "/app/*")}, {path("/abs/*", "/abs/ext/*"), path("/*")}};
  World world{test::ocs_rule(random.pick(paths)), !random.one_in(3)};
  if (random.one_in(3)) world.rule = test::with(world.rule, settings::Bridging::http, 80);
  if (random.one_in(3)) world.rule = test::with_original_host(world.rule);
  return world;
}

TEST(WrittenRequest, ReadAgainIsTheMessageThatWasDecided) {
  Random random(1);
  int written = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    const World world = random_world(random);
    constexpr std::string_view kMethods[] = {"GET", "POST", "PROPFIND", "HEAD"};
    constexpr std::string_view kTargets[] = {"/abs/x", "/abs/a/../b?q=%zz", "/abs",
                                             "https://ocsweb.contoso.com/abs/%41"};
    std::string target(random.pick(kTargets));
    if (!world.secure && target.starts_with("https")) target.erase(4, 1);
    const std::string text = std::string(random.pick(kMethods)) + " " + target +
                             (random.one_in(5) ? " HTTP/1.0" : " HTTP/1.1") +
                             "\r\nHost: ocsweb.contoso.com\r\n" + random_fields(random) +
                             random_framing(random) + "\r\n";
    SCOPED_TRACE(text);
    RequestHead in;
    HeadProgress progress;
    RequestFraming framing;
    if (parse_request_head(text, progress, in).state != HeadOutcome::State::complete) continue;
    if (request_framing(in, framing)) continue;
    const std::string head =
        test::written_request(text, {.rule = world.rule, .client_secure = world.secure});
    ++written;

    RequestHead out;
    HeadProgress again;
    const HeadOutcome outcome = parse_request_head(head, again, out);
    ASSERT_EQ(outcome.state, HeadOutcome::State::complete) << outcome.refusal.why << head;
    EXPECT_EQ(outcome.size, head.size());
    expect_lines_end_only_where_meant(head, out.fields.size());
    EXPECT_EQ(out.method, in.method);
    EXPECT_EQ(out.version, Version::http1_1);
    EXPECT_TRUE(out.target.starts_with('/'));

    RequestFraming framing_again;
    const Refusal refusal = request_framing(out, framing_again);
    EXPECT_FALSE(refusal) << refusal.why << head;
    EXPECT_EQ(framing_again.body, framing.body);
    EXPECT_EQ(framing_again.length, framing.length);
    EXPECT_EQ(framing_again.websocket, framing.websocket);
    EXPECT_EQ(framing_again.expect_continue, framing.expect_continue);
    EXPECT_TRUE(framing_again.keep_alive);

    for (const FieldId once : {FieldId::host, FieldId::x_forwarded_for, FieldId::x_forwarded_proto,
                               FieldId::x_forwarded_host, FieldId::x_request_id}) {
      EXPECT_EQ(out.fields.count(once), 1U) << head;
    }
    EXPECT_EQ(out.fields.value(FieldId::x_forwarded_for), "198.51.100.7");
    EXPECT_EQ(out.fields.count(FieldId::front_end_https), world.secure ? 1U : 0U);
    for (const FieldId never :
         {FieldId::underscore, FieldId::forwarded, FieldId::x_real_ip, FieldId::x_forwarded_other,
          FieldId::x_original_url, FieldId::x_ssl_client, FieldId::proxy, FieldId::keep_alive,
          FieldId::proxy_connection, FieldId::proxy_authorization, FieldId::http2_settings}) {
      EXPECT_FALSE(out.fields.has(never)) << head;
    }
    EXPECT_EQ(unchanged(in.fields, kRequestHandled),
              unchanged_of_written(out.fields, kRequestHandled,
                                   {"x-forwarded-proto", "x-forwarded-host"}))
        << head;
  }
  EXPECT_GT(written, kRounds / 4) << "most of what is generated is refused: the test tests little";
}

TEST(WrittenResponse, ReadAgainIsTheMessageThatWasDecided) {
  Random random(2);
  int written = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    const World world = random_world(random);
    ResponseSituation situation;
    situation.rule = world.rule;
    situation.client_secure = world.secure;
    situation.keep_alive = !random.one_in(3);
    situation.request_version = random.one_in(4) ? Version::http1_0 : Version::http1_1;
    situation.asked.method = random.one_in(5) ? Method::head : Method::get;
    constexpr std::string_view kStatus[] = {"200 OK", "302 Found", "401 No",     "204 ",
                                            "304 N",  "103 Early", "500 \xfc\t!"};
    const std::string text = "HTTP/1.1 " + std::string(random.pick(kStatus)) + "\r\n" +
                             random_fields(random) + random_framing(random) + "\r\n";
    SCOPED_TRACE(text);
    ResponseHead in;
    HeadProgress progress;
    ResponseFraming framing;
    if (parse_response_head(text, progress, in).state != HeadOutcome::State::complete) continue;
    if (response_framing(in, situation.asked, framing)) continue;
    const std::string head = test::written_response(text, situation);
    ++written;

    ResponseHead out;
    HeadProgress again;
    const HeadOutcome outcome = parse_response_head(head, again, out);
    ASSERT_EQ(outcome.state, HeadOutcome::State::complete) << outcome.refusal.why << head;
    EXPECT_EQ(outcome.size, head.size());
    expect_lines_end_only_where_meant(head, out.fields.size());
    EXPECT_EQ(out.status, in.status);

    ResponseFraming framing_again;
    const Refusal refusal = response_framing(out, situation.asked, framing_again);
    EXPECT_FALSE(refusal) << refusal.why << head;
    const bool chunks =
        situation.request_version == Version::http1_1 &&
        (framing.body == BodyKind::chunked || framing.body == BodyKind::until_close);
    const BodyKind body = chunks                              ? BodyKind::chunked
                          : framing.body == BodyKind::chunked ? BodyKind::until_close
                                                              : framing.body;
    EXPECT_EQ(framing_again.body, body) << head;
    EXPECT_EQ(framing_again.length, framing.length) << head;
    EXPECT_EQ(framing_again.interim, framing.interim);
    if (!framing.interim) {
      EXPECT_EQ(framing_again.keep_alive, situation.keep_alive && body != BodyKind::until_close)
          << head;
    }
    EXPECT_EQ(unchanged(in.fields, kResponseHandled),
              unchanged_of_written(out.fields, kResponseHandled, {}))
        << head;
  }
  EXPECT_GT(written, kRounds / 4) << "most of what is generated is refused: the test tests little";
}

// The last look: heads that no parser of ours let in.
TEST(WrittenHeads, AByteThatEndsALineSpoilsTheWholeHead) {
  for (const char bad : {'\r', '\n', '\0', '\x1f', '\x7f'}) {
    for (std::size_t at = 0; at < 40; ++at) {
      std::string value(40, 'x');
      value[at] = bad;
      std::array<char, 256> buffer;
      HeadWriter writer(buffer);
      writer.field("X", value);
      EXPECT_EQ(writer.size(), 0U) << static_cast<int>(bad) << " at " << at;
      EXPECT_TRUE(has_control(std::string_view(value).substr(at)));
    }
  }
  std::string fine;
  for (int byte = 0x20; byte < 0x100; ++byte) {
    if (byte != 0x7f) fine += static_cast<char>(byte);
  }
  EXPECT_FALSE(has_control(fine + "\t" + fine));
}

TEST(WrittenHeads, TheAbuseMessagesReachTheSiteAsTheyShould) {
  int written = 0;
  for (const test::ClientCase& one :
       test::client_cases({"hop-by-hop", "forwarded-spoof", "expect-upgrade-trace"})) {
    SCOPED_TRACE(one.name + ": " + one.why);
    RequestHead in;
    HeadProgress progress;
    RequestFraming framing;
    const HeadOutcome outcome = parse_request_head(one.bytes, progress, in);
    const bool refused = outcome.state != HeadOutcome::State::complete ||
                         request_framing(in, framing) || in.method_id == Method::trace ||
                         in.method_id == Method::connect;
    if (refused) {
      EXPECT_TRUE(one.ok.contains("reject"));
      continue;
    }
    ++written;
    const std::string body = framing.body == BodyKind::length
                                 ? one.bytes.substr(outcome.size, framing.length)
                                 : one.bytes.substr(outcome.size, framing.has_body() ? 1000 : 0);
    const std::string seen =
        lower(test::written_request(one.bytes.substr(0, outcome.size))) + lower(body);
    ASSERT_FALSE(seen.empty());
    for (const std::string& must : one.must) {
      EXPECT_TRUE(seen.find(must) != std::string::npos) << must << "\n" << seen;
    }
    for (const std::string& must_not : one.must_not) {
      EXPECT_EQ(seen.find(must_not), std::string::npos) << must_not << "\n" << seen;
    }
  }
  EXPECT_GT(written, 20);
}

}  // namespace
}  // namespace ocsproxy
