#include "proxy/request_writer.h"

#include "base/text.h"
#include "head_writing.h"
#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

using settings::Bridging;
using test::kPseudonym;
using test::lines_of;
using test::ocs_rule;
using test::path;
using test::Situation;
using test::value_of;
using test::with;
using test::with_original_host;
using test::without_delegation;
using test::written_request;

constexpr std::string_view kHost = "Host: ocsweb.contoso.com\r\n";

std::string get(std::string_view fields, std::string_view target = "/a") {
  return std::string("GET ").append(target).append(" HTTP/1.1\r\n").append(kHost).append(fields) +
         "\r\n";
}

TEST(RequestWriter, AWholeHeadReadsAsSpecified) {
  EXPECT_EQ(written_request("POST /ABS/Ext/Handler?a=%2F&b=<> HTTP/1.1\r\n"
                            "User-Agent: OC/3.5\r\n"
                            "Host: ocsweb.contoso.com\r\n"
                            "Content-Length: 5\r\n"
                            "Cookie: a=1\r\n\r\n"),
            "POST /ABS/Ext/Handler?a=%2F&b=<> HTTP/1.1\r\n"
            "Host: ocspool.contoso.local\r\n"
            "User-Agent: OC/3.5\r\n"
            "Cookie: a=1\r\n"
            "Content-Length: 5\r\n"
            "X-Forwarded-For: 198.51.100.7\r\n"
            "X-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: ocsweb.contoso.com\r\n"
            "Front-End-Https: on\r\n"
            "X-Request-Id: 00c0ffee00c0ffee\r\n"
            "Via: 1.1 ocsproxy-7f3a\r\n\r\n");
}

// ---- the request line

struct Line {
  std::string_view situation;
  std::vector<settings::Path> paths;
  std::string_view target;
  std::string_view expected;
};

TEST(RequestWriter, TheTargetIsTheJudgedPathMappedAndTheQueryAsItCame) {
  const Line lines[] = {
      {"as it is", {path("/*")}, "/a/b?c", "/a/b?c"},
      {"canonical form", {path("/*")}, "/a/../%62//c", "/b/c"},
      {"query byte for byte", {path("/*")}, "/a?x=%2e%2E/../%zz", "/a?x=%2e%2E/../%zz"},
      {"mapped", {path("/abs/*", "/abs/ext/*")}, "/ABS/f?q", "/abs/ext/f?q"},
      {"mapped to the root", {path("/x/*", "/*")}, "/x", "/"},
      {"mapped from the root", {path("/*", "/app/*")}, "/", "/app/"},
      {"one file", {path("/a", "/b")}, "/a", "/b"},
      {"absolute-form", {path("/*")}, "https://ocsweb.contoso.com/z?q", "/z?q"},
  };
  for (const Line& line : lines) {
    const std::string head = written_request(get("", line.target), {.rule = ocs_rule(line.paths)});
    EXPECT_EQ(head.substr(0, head.find("\r\n")), "GET " + std::string(line.expected) + " HTTP/1.1")
        << line.situation;
  }
}

TEST(RequestWriter, TheVersionIsAlwaysOursAndViaTellsTheClients) {
  const std::string head = written_request("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(head.starts_with("GET / HTTP/1.1\r\n"));
  EXPECT_EQ(value_of(head, "Via"), "1.0 ocsproxy-7f3a");
}

// ---- Host

struct HostRow {
  std::string_view situation;
  settings::Rule rule;
  std::string_view host;
  std::string_view expected;
};

settings::Rule to_site(std::string site) {
  settings::Rule rule = ocs_rule();
  rule.to->site.value = std::move(site);
  return rule;
}

TEST(RequestWriter, HostIsTheSiteOrWhatTheClientWrote) {
  const HostRow rows[] = {
      {"site at the port of https", ocs_rule(), "ocsweb.contoso.com", "ocspool.contoso.local"},
      {"another port is named", with(ocs_rule(), Bridging::https, 4443), "ocsweb.contoso.com",
       "ocspool.contoso.local:4443"},
      {"http at its port", with(ocs_rule(), Bridging::http, 80), "ocsweb.contoso.com",
       "ocspool.contoso.local"},
      {"http at the port of https", with(ocs_rule(), Bridging::http, 443), "ocsweb.contoso.com",
       "ocspool.contoso.local:443"},
      {"an address of version 6", to_site("fd00::5"), "ocsweb.contoso.com", "[fd00::5]"},
      {"original host", with_original_host(ocs_rule()), "OCSweb.Contoso.com", "OCSweb.Contoso.com"},
      {"original host with its port", with_original_host(with(ocs_rule(), Bridging::https, 4443)),
       "ocsweb.contoso.com:443", "ocsweb.contoso.com:443"},
  };
  for (const HostRow& row : rows) {
    const std::string head = written_request(
        "GET / HTTP/1.1\r\nHost: " + std::string(row.host) + "\r\n\r\n", {.rule = row.rule});
    EXPECT_EQ(value_of(head, "Host"), row.expected) << row.situation;
    EXPECT_EQ(value_of(head, "X-Forwarded-Host"), row.host) << row.situation;
  }
}

TEST(RequestWriter, AbsoluteFormDecidesTheNameThatIsForwarded) {
  const std::string head =
      written_request("GET https://one.contoso.com/ HTTP/1.1\r\nHost: two.contoso.com\r\n\r\n",
                      {.rule = with_original_host(ocs_rule())});
  EXPECT_EQ(value_of(head, "Host"), "one.contoso.com");
  EXPECT_EQ(value_of(head, "X-Forwarded-Host"), "one.contoso.com");
}

TEST(RequestWriter, WithoutHostTheSiteIsNamedAndNoPublicNameIsInvented) {
  const std::string head =
      written_request("GET / HTTP/1.0\r\n\r\n", {.rule = with_original_host(ocs_rule())});
  EXPECT_EQ(value_of(head, "Host"), "ocspool.contoso.local");
  EXPECT_EQ(value_of(head, "X-Forwarded-Host"), "(none)");
}

// ---- fields that go no further

struct Gone {
  std::string_view field;   // name: value, as the client sends it
  std::string_view secret;  // what the site must not see
};

TEST(RequestWriter, WhatBelongsToTheConnectionOrToATrustedFrontIsRemoved) {
  constexpr Gone kGone[] = {
      {"Connection: keep-alive", "keep-alive"},
      {"Connection: close", "close"},
      {"Keep-Alive: timeout=99", "timeout"},
      {"Proxy-Connection: keep-alive", "Proxy-Connection"},
      {"Proxy-Authorization: Basic QQ==", "QQ=="},
      {"Proxy-Authenticate: x", "Proxy-Auth"},
      {"TE: gzip", "gzip"},
      {"Upgrade: h2c", "h2c"},
      {"HTTP2-Settings: AAMAAABk", "AAMAAABk"},
      {"Trailer: X-Sum", "X-Sum"},
      {"Forwarded: for=10.0.0.1", "10.0.0.1"},
      {"X-Forwarded-For: 10.0.0.1", "10.0.0.1"},
      {"x-forwarded-for: 10.0.0.1", "10.0.0.1"},
      {"X-Forwarded-Proto: ftp", "ftp"},
      {"X-Forwarded-Host: evil.test", "evil"},
      {"X-Forwarded-Port: 8443", "8443"},
      {"X-Forwarded-Client-Cert: Hash=00", "Hash"},
      {"X-Forwarded-Anything: 1x1", "1x1"},
      {"X-Real-IP: 10.0.0.1", "10.0.0.1"},
      {"True-Client-IP: 10.0.0.1", "10.0.0.1"},
      {"X-Client-IP: 10.0.0.1", "10.0.0.1"},
      {"X-Cluster-Client-IP: 10.0.0.1", "10.0.0.1"},
      {"X-Original-URL: /admin", "admin"},
      {"X-Original-Host: evil.test", "evil"},
      {"X-Rewrite-URL: /admin", "admin"},
      {"Front-End-Https: maybe", "maybe"},
      {"X-SSL-Client-Verify: SUCCESS", "SUCCESS"},
      {"X-Client-Cert: fake", "fake"},
      {"X-ARR-ClientCert: AA==", "AA=="},
      {"X-ARR-SSL: 2048|256", "2048"},
      {"Client-Cert: :AA==:", ":AA==:"},
      {"Client-Cert-Chain: :AA==:", ":AA==:"},
      {"Proxy: http://evil.test", "evil"},
      {"X-Request-Id: theirs", "theirs"},
      {"X_Forwarded_For: 10.0.0.1", "10.0.0.1"},
      {"X-Forwarded_For: 10.0.0.1", "10.0.0.1"},
      {"Content_Length: 77", "77"},
      {"Any_Name: value-with", "value-with"},
      {"Expect: 100-continue", "Expect"},
  };
  for (const Gone& gone : kGone) {
    const std::string head = written_request(get(std::string(gone.field) + "\r\n"));
    EXPECT_EQ(head.find(gone.secret), std::string::npos) << gone.field << "\n" << head;
    EXPECT_EQ(head, written_request(get(""))) << gone.field;
  }
}

TEST(RequestWriter, WhatConnectionNamesGoesNoFurtherInAnyCase) {
  const std::string head =
      written_request(get("Connection: close, X-Hop1 ,x-hop2\r\n"
                          "X-HOP1: secret1\r\nx-hop2: secret2\r\n"
                          "X-Hop11: stays\r\n"));
  EXPECT_EQ(lines_of(head, "X-HOP1").size() + lines_of(head, "x-hop2").size(), 0U);
  EXPECT_EQ(value_of(head, "X-Hop11"), "stays");
}

TEST(RequestWriter, ConnectionCannotRemoveWhatTheProxyVouchesFor) {
  const std::string head = written_request(
      get("Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host, via, x-request-id, "
          "front-end-https\r\n"));
  EXPECT_EQ(value_of(head, "X-Forwarded-For"), "198.51.100.7");
  EXPECT_EQ(value_of(head, "X-Forwarded-Proto"), "https");
  EXPECT_EQ(value_of(head, "X-Forwarded-Host"), "ocsweb.contoso.com");
  EXPECT_EQ(value_of(head, "Front-End-Https"), "on");
  EXPECT_EQ(value_of(head, "Via"), "1.1 ocsproxy-7f3a");
  EXPECT_EQ(value_of(head, "X-Request-Id"), test::kRequestId);
}

TEST(RequestWriter, PlainClientsAreNotSaidToBeOnHttps) {
  const std::string head = written_request(get(""), {.client_secure = false});
  EXPECT_EQ(value_of(head, "X-Forwarded-Proto"), "http");
  EXPECT_EQ(value_of(head, "Front-End-Https"), "(none)");
}

TEST(RequestWriter, ClientAddressesOfVersion6AreWrittenWithoutBrackets) {
  const std::string head = written_request(get(""), {.client_address = "2001:db8::1"});
  EXPECT_EQ(value_of(head, "X-Forwarded-For"), "2001:db8::1");
}

TEST(RequestWriter, AllOtherFieldsGoOnAsTheyCameAndInOrder) {
  const std::string fields =
      "Accept: */*\r\nX-Twice: 1\r\nRange: bytes=0-1\r\nX-Twice: 2\r\nX-Empty: \r\n"
      "Max-Forwards: 3\r\nIf-None-Match: \"a\"\r\nCookie: b=\"x y\"; c\r\nX-Latin: \xe4\xf6\r\n"
      "SOAPAction: \"urn:x\"\r\nDate: x\r\nX-Tab: a\tb\r\n";
  const std::string head = written_request(get(fields));
  EXPECT_NE(head.find(fields), std::string::npos) << head;
}

TEST(RequestWriter, CredentialsGoOnOnlyWhereTheClientMayAuthenticateDirectly) {
  const std::string request = get("Authorization: NTLM TlRMTVNTUAAB\r\n");
  EXPECT_EQ(value_of(written_request(request), "Authorization"), "NTLM TlRMTVNTUAAB");
  const std::string none = written_request(request, {.rule = without_delegation(ocs_rule())});
  EXPECT_EQ(none.find("TlRM"), std::string::npos);
}

// ---- framing, expectations, upgrades

struct Framed {
  std::string_view situation;
  std::string_view request;
  std::string_view length;
  std::string_view coding;
  std::string_view expect;
};

TEST(RequestWriter, FramingIsWrittenFromTheDecision) {
  constexpr Framed kRows[] = {
      {"none stays none", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "(none)", "(none)", "(none)"},
      {"POST without a length stays so", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", "(none)", "(none)",
       "(none)"},
      {"an empty body that was announced",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "0", "(none)", "(none)"},
      {"leading zeros go", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n", "7",
       "(none)", "(none)"},
      {"the largest length",
       "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
       "9223372036854775807", "(none)", "(none)"},
      {"chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "(none)",
       "chunked", "(none)"},
      {"an expectation of a body",
       "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n", "5",
       "(none)", "100-continue"},
      {"twice the same is one",
       "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n"
       "Content-Length: 5\r\n\r\n",
       "5", "(none)", "100-continue"},
      {"HTTP/1.0 expects nothing",
       "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "5",
       "(none)", "(none)"},
  };
  for (const Framed& row : kRows) {
    const std::string head = written_request(row.request);
    EXPECT_EQ(value_of(head, "Content-Length"), row.length) << row.situation;
    EXPECT_EQ(value_of(head, "Transfer-Encoding"), row.coding) << row.situation;
    EXPECT_EQ(value_of(head, "Expect"), row.expect) << row.situation;
  }
}

TEST(RequestWriter, TrailerAnnouncementsTravelWithTheChunks) {
  const std::string chunked = written_request(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
  EXPECT_EQ(value_of(chunked, "Trailer"), "X-Sum");
}

TEST(RequestWriter, TrailersAreAskedForOnlyForWhoGetsThem) {
  const std::string yes = written_request(get("TE: trailers\r\nConnection: TE\r\n"));
  EXPECT_EQ(value_of(yes, "TE"), "trailers");
  EXPECT_EQ(value_of(yes, "Connection"), "TE");
  for (const std::string_view no : {"TE: trailers\r\n", "TE: deflate\r\nConnection: TE\r\n"}) {
    const std::string head = written_request(get(no));
    EXPECT_EQ(value_of(head, "TE"), "(none)") << no;
    EXPECT_EQ(value_of(head, "Connection"), "(none)") << no;
  }
}

TEST(RequestWriter, OnlyAValidWebSocketHandshakeIsAnUpgrade) {
  constexpr std::string_view kHandshake =
      "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  const std::string head = written_request(get(kHandshake));
  EXPECT_EQ(value_of(head, "Connection"), "Upgrade");
  EXPECT_EQ(value_of(head, "Upgrade"), "websocket");
  EXPECT_EQ(value_of(head, "Sec-WebSocket-Version"), "13");
  EXPECT_EQ(value_of(head, "Sec-WebSocket-Key"), "AAAAAAAAAAAAAAAAAAAAAA==");

  const std::string not_upgrades[] = {
      get("Upgrade: websocket\r\n"),
      get("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"),
      get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
      "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  };
  for (const std::string& request : not_upgrades) {
    const std::string plain = written_request(request);
    EXPECT_EQ(value_of(plain, "Upgrade"), "(none)") << request;
    EXPECT_EQ(value_of(plain, "Connection"), "(none)") << request;
  }
}

// ---- Via

TEST(RequestWriter, OurElementOfViaFollowsTheOthers) {
  const std::string head = written_request(get("Via: 1.0 fred\r\nVia: 1.1 p.example\r\n"));
  EXPECT_EQ(lines_of(head, "Via"), (std::vector<std::string>{"Via: 1.0 fred", "Via: 1.1 p.example",
                                                             "Via: 1.1 ocsproxy-7f3a"}));
}

struct ViaRow {
  std::string_view via;
  bool loop;
};

TEST(RequestLoops, OnlyOurOwnPseudonymIsALoop) {
  constexpr ViaRow kRows[] = {
      {"1.1 ocsproxy-7f3a", true},
      {"1.1 OCSPROXY-7F3A", true},
      {"HTTP/1.1 ocsproxy-7f3a", true},
      {"1.0 fred, 1.1 ocsproxy-7f3a (a comment)", true},
      {"1.0 fred,1.1  ocsproxy-7f3a(c)", true},
      {"1.1 ocsproxy-7f3a, 1.1 x", true},
      {"1.1 ocsproxy", false},
      {"1.1 ocsproxy-7f3a1", false},
      {"1.1 x-ocsproxy-7f3a", false},
      {"ocsproxy-7f3a", false},  // a protocol without a host
      {"1.1 x (ocsproxy-7f3a)", false},
      {"", false},
      {" , ,", false},
  };
  for (const ViaRow& row : kRows) {
    RequestHead head;
    HeadProgress progress;
    const std::string text = get("Via: " + std::string(row.via) + "\r\n");
    ASSERT_EQ(parse_request_head(text, progress, head).state, HeadOutcome::State::complete);
    EXPECT_EQ(request_loops(head, kPseudonym), row.loop) << row.via;
  }
}

TEST(RequestLoops, WhatTheWriterSendsIsRecognisedWhenItComesBack) {
  const std::string head = written_request(get(""), {.rule = with_original_host(ocs_rule())});
  RequestHead again;
  HeadProgress progress;
  ASSERT_EQ(parse_request_head(head, progress, again).state, HeadOutcome::State::complete);
  EXPECT_TRUE(request_loops(again, kPseudonym));
}

// ---- room

TEST(RequestWriter, AHeadThatDoesNotFitIsNotWrittenAtAll) {
  const std::string request =
      get("Referer: https://ocsweb.contoso.com/abs/x\r\nDestination: /abs/y\r\nX: y\r\n", "/abs/z");
  const settings::Rule rule = ocs_rule({path("/abs/*", "/abs/ext/*")});
  const std::size_t needed = written_request(request, {.rule = rule}).size();
  ASSERT_GT(needed, 0U);
  for (std::size_t room = 0; room < needed; ++room) {
    EXPECT_EQ(written_request(request, {.rule = rule, .room = room}), "") << room;
  }

  EXPECT_EQ(written_request(request, {.rule = rule, .room = needed}).size(), needed);
}

}  // namespace
}  // namespace ocsproxy
