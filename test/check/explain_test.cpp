// What --explain says of one policy, question by question. That each rule's answer is right is held
// to the oracle in test/rules; that the running proxy does what is said here, in test/e2e.
#include "check/explain.h"

#include "scene.h"

namespace ocsproxy {
namespace {

using Outcome = Explanation::Outcome;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPolicy = R"(
networks: {Internal: [10.0.0.0/8]}
trusted_roots: [certs/root.pem]
listeners:
  - name: Edge
    networks: [External]
    addresses: [203.0.113.10]
    http: {port: 8080, redirect: https}
    https: {certificates: [{chain: certs/ocs.pem, key: certs/ocs.key}, {chain: certs/web.pem, key: certs/web.key}]}
  - name: Inside
    networks: [Internal]
    interface: eth1
    https: {certificates: [{chain: certs/site.pem, key: certs/site.key}]}
rules:
  - {name: Closed, action: deny, paths: [/private/*], except_from: [198.51.100.7]}
  - {name: Off, enabled: false, action: deny}
  - {name: Moved, action: deny, listener: Edge, paths: [/old], redirect: "https://www.example.com/new"}
  - name: Site
    action: allow
    listener: Edge
    from: [External]
    except_from: [198.51.100.66]
    public_names: [www.example.com]
    methods: [GET, HEAD, POST]
    paths: [{external: /app/*, internal: /application/*}, /*]
    to: {site: app.example.local, address: [10.0.0.5, 10.0.0.6], port: 8443}
    delegation: none
  - {name: Farm, action: allow, listener: Edge, from: [External], public_names: [ocsweb.contoso.com], to: {site: pool.contoso.local}}
  - {name: Intranet, action: allow, listener: Inside, from: [Internal], public_names: [www.example.com], to: {site: app.example.local}}
  - {name: Book, action: allow, listener: Edge, from: [198.51.100.66], public_names: [www.example.com], paths: [/ABS/Ext/*], to: {site: pool.contoso.local}}
)";

class Explain : public testing::Test {
 protected:
  Result<Explanation> ask(const Question& question) {
    const Configuration& read = *checked_.configuration;
    return explain({read.settings, *read.table, read.certificates}, test::machine(), question);
  }
  Explanation answer(const Question& question) {
    auto explanation = ask(question);
    EXPECT_TRUE(explanation) << explanation.error().detail;
    return *std::move(explanation);
  }
  std::string text(const Question& question) {
    return explanation_text(answer(question), question, settings());
  }
  const settings::Settings& settings() const { return checked_.configuration->settings; }
  static Question about(const std::string& url, const char* from = "198.51.100.9",
                        const char* method = "GET", std::vector<std::string> headers = {}) {
    return {url, IpAddress::parse(from).value(), method, std::move(headers)};
  }

  const test::Checked checked_ = test::check({{"conf/a.yaml", kPolicy}});
};

TEST_F(Explain, TellsWhatEachRuleSaysAndWhatTheSiteIsSent) {
  EXPECT_EQ(text(about("https://www.example.com/App/%41?q=%2f", "198.51.100.9", "GET",
                       {"Authorization: Basic eA==", "X-Forwarded-For: 1.2.3.4"})),
            R"(GET https://www.example.com/App/%41?q=%2f from 198.51.100.9 (External)
verdict: allowed by rule 4 "Site"
listener: "Edge"; also on this port: Inside
certificate: www.example.com
path: /App/A
rules:
  1 "Closed", deny: no, paths: asked /App/A, wanted /private/*
  2 "Off", deny: no, it is not enabled
  3 "Moved", deny: no, paths: asked /App/A, wanted /old
  4 "Site", allow: matches by path /app/*, and decides
  5 "Farm", allow: no, public_names: asked www.example.com, wanted ocsweb.contoso.com
  6 "Intranet", allow: no, listener: asked Edge, wanted Inside
  7 "Book", allow: no, from: asked 198.51.100.9 (External), wanted 198.51.100.66
upstream: https://app.example.local:8443 at 10.0.0.5 or 10.0.0.6; X-Request-Id and the name in Via are others each time
  GET /application/A?q=%2f HTTP/1.1
  Host: app.example.local:8443
  X-Forwarded-For: 198.51.100.9
  X-Forwarded-Proto: https
  X-Forwarded-Host: www.example.com
  Front-End-Https: on
  X-Request-Id: 0000000000000000
  Via: 1.1 ocsproxy
)");
}

struct Row {
  const char* situation;
  Question question;
  Outcome outcome;
  std::uint16_t status;
  const char* says;  // a part of the text
};

TEST_F(Explain, TellsTheVerdictAndItsReason) {
  const std::string www = "https://www.example.com";
  const Row rows[] = {
      {"nobody listens on the port", about(www + ":9443/"), Outcome::no_listener, 0,
       "no connection: no listener has https on port 9443"},
      {"nobody listens on the address", about("https://203.0.113.99/"), Outcome::no_listener, 0,
       "no listener has https on port 443 of 203.0.113.99"},
      {"a listener for another network", about("https://10.0.0.1/"), Outcome::not_served, 0,
       "the listener \"Inside\" does not serve clients of External"},
      {"clients inside have a listener of their own", about(www + "/", "10.2.3.4"),
       Outcome::forwarded, 0, "allowed by rule 6 \"Intranet\""},
      {"an encoded slash", about(www + "/a%2Fb"), Outcome::refused, 400,
       "refused with 400: an encoded slash or backslash in the path"},
      {"a method that is never forwarded", about(www + "/", "198.51.100.9", "TRACE"),
       Outcome::refused, 405, "the method is not forwarded"},
      {"a header that is none", about(www + "/", "198.51.100.9", "GET", {"a b: c"}),
       Outcome::refused, 400, "a field name is empty or no token"},
      {"Host of another certificate",
       about(www + "/", "198.51.100.9", "GET", {"Host: ocsweb.contoso.com"}), Outcome::refused, 421,
       "the name belongs to another certificate"},
      {"a rule that denies", about(www + "/Private/x"), Outcome::denied, 403,
       "denied with 403 by rule 1 \"Closed\""},
      {"who is excepted from it", about(www + "/Private/x", "198.51.100.7"), Outcome::forwarded, 0,
       "1 \"Closed\", deny: no, from: asked 198.51.100.7 (External), wanted Anywhere, except from "
       "198.51.100.7"},
      {"who is excepted from an allow", about(www + "/", "198.51.100.66"), Outcome::denied, 403,
       "no rule matches, and the last, implicit rule denies"},
      {"a method that the rule lacks", about(www + "/", "198.51.100.9", "DELETE"), Outcome::denied,
       403, "methods: asked DELETE, wanted GET, HEAD or POST"},
      {"a rule that only its methods keep from matching",
       about(www + "/", "198.51.100.9", "DELETE"), Outcome::denied, 403,
       "near miss: but for its methods, rule 4 \"Site\" would match\n"},
      {"a path that differs by a letter", about(www + "/abs/exd/Handler", "198.51.100.66"),
       Outcome::denied, 403,
       "near miss: rule 7 \"Book\" has the path \"/ABS/Ext/*\", which differs by 1 letter\n"},
      {"a rule that redirects", about(www + "/old"), Outcome::redirected, 302,
       "redirected to https://www.example.com/new by rule 3 \"Moved\""},
      {"plain HTTP to a published name", about("http://www.example.com:8080/a?b"),
       Outcome::redirected, 302, "redirected to https://www.example.com/a?b by the listener"},
      {"plain HTTP with a body", about("http://www.example.com:8080/", "198.51.100.9", "POST"),
       Outcome::denied, 403, "only GET and HEAD"},
      {"a name that differs by a letter", about("https://wwv.example.com/"), Outcome::denied, 403,
       "the nearest name is \"www.example.com\", which differs by 1 letter"},
      {"a certificate of another name", about("https://wwv.example.com/"), Outcome::denied, 403,
       "certificate: ocsweb.contoso.com, which is not for this name"},
      {"parameters that hide a closed directory", about(www + "/private;x/a"), Outcome::denied, 403,
       "rules for the path without parameters, /private/a, which have to allow it too:\n"
       "  1 \"Closed\", deny: matches by path /private/*, and decides"},
      {"an earlier rule decides", about(www + "/old"), Outcome::redirected, 302,
       "4 \"Site\", allow: matches by path /*, but an earlier rule decides"},
  };
  for (const Row& row : rows) {
    const Explanation explanation = answer(row.question);
    EXPECT_EQ(explanation.outcome, row.outcome) << row.situation;
    EXPECT_EQ(explanation.status, row.status) << row.situation;
    EXPECT_THAT(text(row.question), HasSubstr(row.says)) << row.situation;
  }
}

TEST_F(Explain, APathThatIsQuiteAnotherIsNoNearMissNorIsOneThatARuleDenies) {
  EXPECT_EQ(answer(about("https://www.example.com/owa/exd", "198.51.100.66")).near_miss, "");
  EXPECT_EQ(answer(about("https://www.example.com/private/x", "198.51.100.9", "PUT")).near_miss,
            "");
}

TEST_F(Explain, RefusesWhatIsNoQuestionInOneSentence) {
  const std::pair<Question, const char*> rows[] = {
      {about("ftp://www.example.com/"), "is no URL of http or https"},
      {about("www.example.com"), "is no URL of http or https"},
      {about("https:///x"), "\"\" in the URL is no host name"},
      {about("https://a b/"), "is no host name"},
      {about("https://user@www.example.com/"), "is no host name"},
      {about("https://www.example.com/", "198.51.100.9", "GET", {"X-Y"}), "it lacks a colon"},
  };
  for (const auto& [question, says] : rows) {
    const auto explanation = ask(question);
    ASSERT_FALSE(explanation) << question.url;
    EXPECT_THAT(explanation.error().detail, AllOf(HasSubstr(says), Not(HasSubstr("\n"))));
  }
}

TEST_F(Explain, JsonHasWhatWasAskedAndWantedOfEachRule) {
  const Question question = about("https://www.example.com/x;p", "198.51.100.9", "PUT");
  const std::string json = explanation_json(answer(question), question, settings());
  EXPECT_THAT(json, HasSubstr(R"("outcome": "denied",
  "status": 403,
  "near_miss": "but for its methods, rule 4 \"Site\" would match",
  "listener": "Edge",
  "certificate": "www.example.com",
  "certificate_covers": true,
  "public_name": "www.example.com",
  "path": "/x;p",)"));
  EXPECT_THAT(json, HasSubstr(R"(      "rule": "Site",
      "matches": false,
      "failed": "methods",
      "asked": "PUT",
      "wanted": "GET, HEAD or POST")"));
  EXPECT_THAT(json,
              HasSubstr("\"path_without_parameters\": \"/x\",\n  \"rules_without_parameters\""));
}

// --- HTTP filters ---

constexpr const char* kFiltered = R"(
networks: {Internal: [10.0.0.0/8]}
trusted_roots: [certs/root.pem]
listeners:
  - name: Edge
    networks: [External]
    addresses: [203.0.113.10]
    https: {certificates: [{chain: certs/web.pem, key: certs/web.key}]}
http_filters:
  - name: Narrow
    max_query_length: 4
    extensions: {deny: [.exe]}
    request_headers: {deny: [X-Bad]}
    signatures: [{name: Dots, in: url, pattern: '\.\.\.'}, {name: Body, in: request_body, pattern: a}]
rules:
  - {name: Strict, action: allow, listener: Edge, from: [External], public_names: [www.example.com], paths: [/strict/*], to: {site: app.example.local}, http_filter: Narrow}
  - {name: Lax, action: allow, listener: Edge, from: [External], public_names: [www.example.com], paths: [/lax/*], to: {site: app.example.local}, http_filter: {mode: report, verify_normalization: false, methods: {allow: [GET]}}}
  - {name: Plain, action: allow, listener: Edge, from: [External], public_names: [www.example.com], paths: [/plain/*], to: {site: app.example.local}}
)";

class ExplainFilter : public testing::Test {
 protected:
  Explanation ask(const std::string& path, const char* method = "GET",
                  std::vector<std::string> headers = {}) {
    const Configuration& read = *checked_.configuration;
    question_ = {"https://www.example.com" + path, IpAddress::parse("198.51.100.9").value(), method,
                 std::move(headers)};
    auto explanation =
        explain({read.settings, *read.table, read.certificates}, test::machine(), question_);
    EXPECT_TRUE(explanation);
    return *std::move(explanation);
  }
  std::string text(const Explanation& explanation) {
    return explanation_text(explanation, question_, checked_.configuration->settings);
  }
  std::string json(const Explanation& explanation) {
    return explanation_json(explanation, question_, checked_.configuration->settings);
  }

  const test::Checked checked_ = test::check({{"conf/a.yaml", kFiltered}});
  Question question_;
};

TEST_F(ExplainFilter, ShowsEachCheckOfARequestThatPasses) {
  const Explanation explanation = ask("/strict/a?b");
  EXPECT_EQ(explanation.outcome, Outcome::forwarded);
  EXPECT_THAT(text(explanation), HasSubstr(R"(HTTP filter: "Narrow", lets it pass
  header_length: passes
  url_length: passes
  query_length: passes
  payload_length: passes
  normalization: passes
  high_bit: passes
  method: passes
  extension: passes
  request_header: passes
  signature: passes
  it looks at bodies or responses too, which are not known
upstream: )"));
}

TEST_F(ExplainFilter, SaysWhyOneIsRefusedThoughARuleAllowsIt) {
  const Explanation explanation = ask("/strict/a.exe?12345", "GET", {"X-Bad: 1"});
  EXPECT_EQ(explanation.outcome, Outcome::refused);
  EXPECT_EQ(explanation.status, 414);
  EXPECT_THAT(
      text(explanation),
      AllOf(HasSubstr("verdict: refused with 414, though allowed by rule 1 \"Strict\": the "
                      "HTTP filter says: query 5 > 4\n"),
            HasSubstr("HTTP filter: \"Narrow\", refuses it\n"),
            HasSubstr("  query_length: query 5 > 4\n"),
            HasSubstr("  extension: extension \".exe\"\n"),
            HasSubstr("  request_header: header \"X-Bad\"\n"), Not(HasSubstr("upstream:"))));
  EXPECT_THAT(json(explanation), HasSubstr(R"("http_filter": {
    "name": "Narrow",
    "mode": "enforce",
    "checks": [)"));
  EXPECT_THAT(json(explanation), HasSubstr(R"("check": "query_length",
        "passes": false,
        "objection": "query 5 > 4"
      },
      {
        "check": "payload_length",
        "passes": true
      })"));
}

TEST_F(ExplainFilter, SaysWhatOnlyIsReported) {
  const Explanation explanation = ask("/lax/%2541", "PUT");
  EXPECT_EQ(explanation.outcome, Outcome::forwarded);
  EXPECT_THAT(text(explanation),
              AllOf(HasSubstr("HTTP filter: the rule's own, only reports what it would refuse\n"),
                    HasSubstr("  normalization: passes\n"), HasSubstr("  method: method \"PUT\"\n"),
                    HasSubstr("  PUT /lax/%2541 HTTP/1.1\n")));
  EXPECT_EQ(ask("/lax/%c3%a4").outcome, Outcome::refused);
}

TEST_F(ExplainFilter, WithoutOneReservedPathsAreRefused) {
  const Explanation explanation = ask("/plain/%2541");
  EXPECT_EQ(explanation.outcome, Outcome::refused);
  EXPECT_EQ(explanation.status, 400);
  EXPECT_FALSE(explanation.filter);
  EXPECT_THAT(text(explanation),
              HasSubstr("refused with 400, though allowed by rule 3 \"Plain\": a "
                        "doubly encoded character in the path\n"));
  EXPECT_EQ(ask("/none/%2541").outcome, Outcome::denied);
}

}  // namespace
}  // namespace ocsproxy
