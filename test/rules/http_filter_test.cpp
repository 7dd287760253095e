// HTTP filters, check by check: what each refuses and what it lets pass, and the reason as the log
// gives it.
#include "rules/http_filter.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "counted_new.h"

namespace ocsproxy::rules {
namespace {

using settings::HttpFilter;
using Place = HttpFilter::Place;
using Words = HttpFilter::Words;
using Fields = std::vector<HeadField>;

Words words(Words::Kind kind, std::initializer_list<const char*> list) {
  Words made{.kind = kind, .where = {}, .words = {}};
  for (const char* word : list) made.words.push_back({word, {}});
  return made;
}

HttpFilter::Signature signature(const char* name, Place place, const char* pattern,
                                std::uint32_t first = 100) {
  return {.where = {},
          .name = {name, {}},
          .place = {place, {}},
          .pattern = {pattern, {}},
          .first = {first, {}}};
}

HeadFields view_of(const Fields& fields) {
  return {.list = &fields, .size = fields.size(), .at = [](const void* list, std::size_t index) {
            return (*static_cast<const Fields*>(list))[index];
          }};
}

// A filter with what a test gives it beyond the defaults.
class Filter {
 public:
  explicit Filter(HttpFilter settings) : settings_(std::move(settings)) {
    Findings findings;
    compiled_ = rules::HttpFilter::compile(settings_, findings);
    EXPECT_FALSE(findings.has_errors()) << findings.all().front().text;
  }

  const rules::HttpFilter& operator*() const { return *compiled_; }
  const rules::HttpFilter* operator->() const { return compiled_.get(); }

  // The reason, or "" when the request passes.
  std::string ask(const std::string& method, const std::string& url, const Fields& fields = {},
                  std::uint64_t payload = 0) const {
    std::vector<char> path(3 * url.size() + 1), scratch(rules::HttpFilter::kScratchBytes);
    CanonicalTarget target;
    EXPECT_EQ(canonicalize(url, true, path, target), TargetError::none) << url;
    const auto refusal = compiled_->check_request(
        {.method = method, .target = target, .fields = view_of(fields), .payload = payload},
        scratch);
    return refusal ? describe(*refusal) : "";
  }
  std::string ask_body(Place place, std::string_view first) const {
    const auto refusal = compiled_->check_body(place, first);
    return refusal ? describe(*refusal) : "";
  }

 private:
  HttpFilter settings_;
  std::shared_ptr<const rules::HttpFilter> compiled_;
};

Filter with(auto change) {
  HttpFilter settings;
  change(settings);
  return Filter(std::move(settings));
}

// --- lengths ---

TEST(HttpFilter, ByDefaultHasTheLimitsThatIsaServerHas) {
  const Filter filter{HttpFilter()};
  std::string path(10241, 'a');
  path.front() = '/';
  EXPECT_EQ(filter.ask("GET", path), "URL 10241 > 10240");
  path.pop_back();
  EXPECT_EQ(filter.ask("GET", path), "");
  const std::string value(32768 - 5, 'v');
  EXPECT_EQ(filter.ask("GET", "/", {{"a", value}}), "");
  EXPECT_EQ(filter.ask("GET", "/", {{"ab", value}}), "header 32769 > 32768");
  EXPECT_EQ(filter.ask("PUT", "/", {}, std::uint64_t{1} << 60), "");
}

TEST(HttpFilter, MeasuresTheQueryWithoutItsMarkAndTheUrlWithIt) {
  const Filter filter = with([](auto& s) {
    s.max_query_length = {4, {}};
    s.max_url_length = {7, {}};
  });
  EXPECT_EQ(filter.ask("GET", "/?1234"), "");
  EXPECT_EQ(filter.ask("GET", "/?12345"), "query 5 > 4");
  EXPECT_EQ(filter.ask("GET", "/ab?1234"), "URL 8 > 7");
}

TEST(HttpFilter, MeasuresTheUrlThatGoesUpstream) {
  const Filter filter = with([](auto& s) { s.max_url_length = {3, {}}; });
  EXPECT_EQ(filter.ask("GET", "/a/../%61b"), "");
  EXPECT_EQ(filter.ask("GET", "/%3c"), "URL 4 > 3");
}

TEST(HttpFilter, HoldsTheDeclaredPayloadToItsLimit) {
  const Filter filter = with([](auto& s) {
    s.max_payload_length = Located<std::uint64_t>{10, {}};
  });
  EXPECT_EQ(filter.ask("POST", "/", {}, 10), "");
  EXPECT_EQ(filter.ask("POST", "/", {}, 11), "payload 11 > 10");
  EXPECT_EQ(filter->most_payload(), 10U);
}

// --- the form of the URL ---

TEST(HttpFilter, RefusesDoubleEncodingAndHighBitsUnlessToldOtherwise) {
  const Filter strict{HttpFilter()};
  EXPECT_EQ(strict.ask("GET", "/%2541"), "a doubly encoded character in the path");
  EXPECT_EQ(strict.ask("GET", "/%c3%a4"), "a character above U+007F in the path");
  EXPECT_EQ(strict.ask("GET", "/?a=%2541&b=%c3%a4"), "");
  const Filter lax = with([](auto& s) {
    s.verify_normalization = {false, {}};
    s.block_high_bit = {false, {}};
  });
  EXPECT_EQ(lax.ask("GET", "/%2541/%c3%a4"), "");
}

struct Without {
  const char* url;
  bool refused_without_filter;
};

TEST(HttpFilter, ReportingLetsNothingPassThatIsRefusedWithoutAFilter) {
  HttpFilter settings;
  settings.mode = {HttpFilter::Mode::report, {}};
  settings.max_url_length = {3, {}};
  const Filter filter(settings);
  std::vector<char> path(100), scratch(rules::HttpFilter::kScratchBytes);
  for (const auto& [url, refused] :
       {Without{"/%2541", true}, Without{"/%c3%a4", true}, Without{"/abcdef", false}}) {
    CanonicalTarget target;
    ASSERT_EQ(canonicalize(url, true, path, target), TargetError::none);
    const FilteredRequest request{.method = "GET", .target = target};
    const Filtered reported = filter_request(&*filter, request, scratch);
    EXPECT_EQ(reported.refused, refused) << url;
    EXPECT_TRUE(reported.objection.has_value()) << url;
    EXPECT_EQ(filter_request(nullptr, request, scratch).refused, refused) << url;
  }
}

// --- methods and extensions ---

TEST(HttpFilter, TellsMethodsApartByCase) {
  const Filter some = with([](auto& s) { s.methods = words(Words::Kind::allow, {"GET", "HEAD"}); });
  EXPECT_EQ(some.ask("GET", "/"), "");
  EXPECT_EQ(some.ask("get", "/"), "method \"get\"");
  EXPECT_EQ(some.ask("PUT", "/"), "method \"PUT\"");
  EXPECT_EQ(some->allowed_methods(), "GET, HEAD");
  const Filter others = with([](auto& s) { s.methods = words(Words::Kind::deny, {"PUT"}); });
  EXPECT_EQ(others.ask("PROPFIND", "/"), "");
  EXPECT_EQ(others.ask("PUT", "/"), "method \"PUT\"");
  EXPECT_EQ(others->allowed_methods(), "GET, HEAD, POST, DELETE, OPTIONS");
}

struct ExtensionRow {
  const char* url;
  const char* denied;   // with {deny: [.exe, none]}
  const char* allowed;  // with {allow: [.htm, none]}
};

class Extensions : public testing::TestWithParam<ExtensionRow> {};

TEST_P(Extensions, AreThoseOfTheCanonicalPath) {
  const Filter deny = with([](auto& s) {
    s.extensions = words(Words::Kind::deny, {".exe", "none"});
  });
  EXPECT_EQ(deny.ask("GET", GetParam().url), GetParam().denied);
  const Filter allow = with([](auto& s) {
    s.extensions = words(Words::Kind::allow, {".htm", "none"});
  });
  EXPECT_EQ(allow.ask("GET", GetParam().url), GetParam().allowed);
}

INSTANTIATE_TEST_SUITE_P(
    All, Extensions,
    testing::Values(ExtensionRow{"/a.exe", "extension \".exe\"", "extension \".exe\""},
                    ExtensionRow{"/a.EXE", "extension \".EXE\"", "extension \".EXE\""},
                    ExtensionRow{"/a.e%78e", "extension \".exe\"", "extension \".exe\""},
                    ExtensionRow{"/a.htm", "", ""}, ExtensionRow{"/a.HTM", "", ""},
                    ExtensionRow{"/a.exe.htm", "", ""}, ExtensionRow{"/", "no extension", ""},
                    ExtensionRow{"/a", "no extension", ""},
                    ExtensionRow{"/a.htm/", "no extension", ""},
                    ExtensionRow{"/a.exe?b.htm", "extension \".exe\"", "extension \".exe\""},
                    ExtensionRow{"/a.htm?b.exe", "", ""},
                    // A program may be followed by its argument.
                    ExtensionRow{"/a.exe/b.htm", "extension \".exe\"", ""},
                    ExtensionRow{"/v1.2/b.htm", "", ""},
                    // With parameters and without: both readings have to pass.
                    ExtensionRow{"/a.exe;b.htm", "extension \".exe\"", "extension \".exe\""},
                    ExtensionRow{"/a.htm;b.exe", "extension \".exe\"", "extension \".exe\""},
                    ExtensionRow{"/a.htm;x=1", "", ""},
                    ExtensionRow{"/a;b.exe", "no extension", "extension \".exe\""},
                    ExtensionRow{"/.exe", "extension \".exe\"", "extension \".exe\""}));

// --- headers ---

TEST(HttpFilter, DeniesHeadersByTheirNameWhateverItsCase) {
  const Filter filter = with([](auto& s) {
    s.request_headers = {{"X-Bad", {}}, {"Range", {}}};
    s.response_headers = {{"X-Powered-By", {}}};
  });
  EXPECT_EQ(filter.ask("GET", "/", {{"X-Good", "x-bad"}, {"X-Bad2", ""}}), "");
  EXPECT_EQ(filter.ask("GET", "/", {{"X-Good", ""}, {"x-BAD", ""}}), "header \"x-BAD\"");
  EXPECT_EQ(filter.ask("GET", "/", {{"range", "bytes=0-"}}), "header \"range\"");
  EXPECT_TRUE(filter->removes_response_header("x-powered-by"));
  EXPECT_FALSE(filter->removes_response_header("X-Bad"));
}

TEST(HttpFilter, ThatOnlyReportsRemovesNoResponseHeader) {
  const Filter filter = with([](auto& s) {
    s.mode = {HttpFilter::Mode::report, {}};
    s.response_headers = {{"X-Powered-By", {}}};
  });
  EXPECT_FALSE(filter->removes_response_header("X-Powered-By"));
}

// --- signatures ---

TEST(Signatures, ShellshockIsFoundInAnyHeaderAndNotInTheUrl) {
  const Filter filter = with([](auto& s) {
    s.signatures = {signature("Shellshock", Place::request_headers, R"(\(\)\s*\{)")};
  });
  EXPECT_EQ(filter.ask("GET", "/", {{"User-Agent", "() { :; }; ping"}}),
            "signature \"Shellshock\" in request_headers");
  EXPECT_EQ(filter.ask("GET", "/?()%20{", {{"User-Agent", "curl"}}), "");
  EXPECT_EQ(filter.ask("GET", "/?a=()%20{", {{"A", "() x"}}), "");
}

TEST(Signatures, OfOnePlaceAreNotFoundInTheOtherNorAcrossBoth) {
  const Filter filter = with([](auto& s) {
    s.signatures = {signature("Url", Place::url, "evil"),
                    signature("Header", Place::request_headers, "bad"),
                    signature("Across", Place::url, "/a[^b]*Host")};
  });
  EXPECT_EQ(filter.ask("GET", "/bad", {{"X", "evil"}}), "");
  EXPECT_EQ(filter.ask("GET", "/a", {{"Host", "c"}}), "");
  EXPECT_EQ(filter.ask("GET", "/a?Host", {{"Host", "c"}}), "signature \"Across\" in url");
  EXPECT_EQ(filter.ask("GET", "/x", {{"X", "BAD"}}), "signature \"Header\" in request_headers");
  EXPECT_EQ(filter.ask("GET", "/Evil", {}), "signature \"Url\" in url");
}

struct UrlRow {
  const char* pattern;
  const char* url;
  bool found;
};

class UrlSignature : public testing::TestWithParam<UrlRow> {};

TEST_P(UrlSignature, LooksAtTheUrlAsItGoesOnAndDecoded) {
  const auto& [pattern, url, found] = GetParam();
  const Filter filter =
      with([pattern](auto& s) { s.signatures = {signature("One", Place::url, pattern)}; });
  EXPECT_EQ(filter.ask("GET", url, {{"Host", "www.test"}}),
            found ? "signature \"One\" in url" : "");
}

INSTANTIATE_TEST_SUITE_P(
    All, UrlSignature,
    testing::Values(UrlRow{"<script", "/?q=%3Cscript%3E", true},
                    UrlRow{"%3c", "/?q=%3Cscript%3E", true},
                    UrlRow{"union select", "/?q=union+select", true},
                    UrlRow{"union select", "/?q=union%20select", true}, UrlRow{"^/a$", "/a", true},
                    UrlRow{"^/a$", "/a?b", false}, UrlRow{"^/a$", "/x/../%61", true},
                    UrlRow{"^a", "/a", false}, UrlRow{"(?-i)ABC", "/abc", false},
                    UrlRow{"ABC", "/abc", true},
                    // Once, not twice.
                    UrlRow{"<", "/?q=%253C", false}, UrlRow{"%3C", "/?q=%253C", true},
                    UrlRow{"\\xe4", "/?q=%e4", true}, UrlRow{"&", "/?a=1&b=2", true}));

TEST(Signatures, EndsOfLinesAreThoseOfEachHeader) {
  const Filter filter = with([](auto& s) {
    s.signatures = {signature("Tool", Place::request_headers, "^User-Agent: sqlmap$")};
  });
  EXPECT_EQ(filter.ask("GET", "/", {{"Host", "x"}, {"User-Agent", "sqlmap"}, {"A", "b"}}),
            "signature \"Tool\" in request_headers");
  EXPECT_EQ(filter.ask("GET", "/", {{"Referer", "User-Agent: sqlmap"}}), "");
  EXPECT_EQ(filter.ask("GET", "/", {{"User-Agent", "sqlmap/1"}}), "");
}

TEST(Signatures, OfResponsesLookAtTheirFields) {
  const Filter filter = with([](auto& s) {
    s.signatures = {signature("Leak", Place::response_headers, "internal\\.example")};
  });
  std::vector<char> scratch(rules::HttpFilter::kScratchBytes);
  const Fields bad{{"X-From", "web1.internal.example"}}, good{{"X-From", "edge"}};
  ASSERT_TRUE(filter->looks_at_response_head());
  const auto refusal = filter->check_response_head(view_of(bad), scratch);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(describe(*refusal), "signature \"Leak\" in response_headers");
  EXPECT_FALSE(filter->check_response_head(view_of(good), scratch));
}

TEST(Signatures, EachLooksAtItsOwnFirstBytesOfABody) {
  const Filter filter = with([](auto& s) {
    s.signatures = {signature("Short", Place::request_body, "evil", 10),
                    signature("Long", Place::request_body, "bad", 20)};
  });
  const auto ask = [&](std::string_view text) {
    return filter.ask_body(Place::request_body, text);
  };
  EXPECT_EQ(filter->body_bytes(Place::request_body), 20U);
  EXPECT_EQ(filter->body_bytes(Place::response_body), 0U);
  EXPECT_EQ(ask("123456evil"), "signature \"Short\" in request_body");
  EXPECT_EQ(ask("1234567evil-----------"), "");
  EXPECT_EQ(ask("12345678901234567bad"), "signature \"Long\" in request_body");
  EXPECT_EQ(ask("123456789012345678bad"), "");
  EXPECT_EQ(ask("evil and bad"), "signature \"Short\" in request_body");
  EXPECT_EQ(ask(std::string_view("\0\xff\nevil", 7)), "signature \"Short\" in request_body");
  EXPECT_TRUE(filter->needs_more(Place::request_body, "1234567890123456789"));
  EXPECT_FALSE(filter->needs_more(Place::request_body, "12345678901234567890"));
}

TEST(Signatures, ThatDoNotFitTheScratchAreRefused) {
  const Filter filter = with([](auto& s) { s.signatures = {signature("A", Place::url, "a")}; });
  std::array<char, 8> scratch{};
  const CanonicalTarget target{.path = "/bbbbbbbbbbbb", .query = {}, .authority = {}};
  const auto refusal = filter->check_request({.method = "GET", .target = target}, scratch);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(describe(*refusal), "out of memory for the signatures in url");
}

// --- executables ---

std::string executable() {
  std::string text("MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8", 17);
  text.resize(rules::HttpFilter::kExecutableBytes);
  text[0x3c] = '\x80';
  return text;
}

TEST(HttpFilter, KnowsAWindowsExecutableByItsFirst64Bytes) {
  const Filter filter = with([](auto& s) { s.block_windows_executables = {true, {}}; });
  const auto ask = [&](std::string_view text) {
    return filter.ask_body(Place::response_body, text);
  };
  EXPECT_EQ(ask(executable()), "a Windows executable");
  EXPECT_EQ(ask(executable() + "PE"), "a Windows executable");
  EXPECT_EQ(ask(executable().substr(0, 63)), "");  // shorter than any
  EXPECT_EQ(ask("MZ" + std::string(100, 'x')), "");
  EXPECT_EQ(ask("MZ" + std::string(100, '\n')), "");
  EXPECT_EQ(ask(" " + executable()), "");
  EXPECT_EQ(filter.ask_body(Place::request_body, executable()), "");
}

TEST(HttpFilter, HoldsBackNoResponseThatDoesNotBeginLikeAnExecutable) {
  const Filter filter = with([](auto& s) { s.block_windows_executables = {true, {}}; });
  for (const char* more : {"", "M", "MZ", "MZx"}) {
    EXPECT_TRUE(filter->needs_more(Place::response_body, more)) << more;
  }
  for (const char* enough : {"A", "MA", "<html>"}) {
    EXPECT_FALSE(filter->needs_more(Place::response_body, enough)) << enough;
  }
  EXPECT_FALSE(filter->needs_more(Place::response_body, executable()));
}

// --- what it costs ---

TEST(HttpFilter, PassesARequestWithoutAllocating) {
  const Filter filter = with([](auto& s) {
    s.extensions = words(Words::Kind::deny, {".exe"});
    s.methods = words(Words::Kind::allow, {"GET"});
    s.request_headers = {{"X-Bad", {}}};
    s.signatures = {signature("A", Place::url, "evil|bad"),
                    signature("B", Place::request_headers, R"(\(\)\s*\{)")};
  });
  const Fields fields{{"Host", "www.example.test"}, {"User-Agent", "Mozilla/5.0 (X11)"}};
  const CanonicalTarget target{.path = "/a/b.htm", .query = "?a=%20b", .authority = {}};
  std::vector<char> scratch(rules::HttpFilter::kScratchBytes);
  const auto ask = [&] {
    return filter->check_request({.method = "GET", .target = target, .fields = view_of(fields)},
                                 scratch);
  };
  EXPECT_FALSE(ask());  // RE2 fills its cache on first use
  const int before = allocations();
  EXPECT_FALSE(ask());
  EXPECT_EQ(allocations(), before);
}

}  // namespace
}  // namespace ocsproxy::rules
