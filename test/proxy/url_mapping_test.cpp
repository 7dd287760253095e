#include "proxy/url_mapping.h"

#include "head_writing.h"

namespace ocsproxy {
namespace {

using settings::Bridging;
using settings::Rule;
using test::ocs_rule;
using test::path;
using test::ResponseSituation;
using test::Situation;
using test::value_of;
using test::with;
using test::with_original_host;
using test::written_request;
using test::written_response;

settings::Path pattern(std::string text) {
  settings::Path result;
  result.kind = settings::Path::Kind::regex;
  result.external = result.internal = std::move(text);
  return result;
}

const Rule kSame = ocs_rule();
const Rule kMapped = ocs_rule({path("/abs/*", "/abs/ext/*"), path("/conf/*", "/int/conf/*")});
const Rule kFromRoot = ocs_rule({path("/*", "/app/*")});
const Rule kPlainSite = with(ocs_rule(), Bridging::http, 80);
const Rule kOtherPort = with(ocs_rule(), Bridging::https, 4443);
const Rule kOriginal = with_original_host(ocs_rule());
const Rule kOriginalPlain = with_original_host(with(ocs_rule(), Bridging::http, 8080));
const Rule kOriginalOtherPort = with_original_host(kOtherPort);

// ---- Location and Content-Location

struct Place {
  std::string_view situation;
  const Rule& rule;
  std::string_view location;
  std::string_view expected;  // "": as it came
};

void expect_places(std::span<const Place> places, const ResponseSituation& base) {
  for (const Place& place : places) {
    ResponseSituation situation = base;
    situation.rule = place.rule;
    const std::string_view expected = place.expected.empty() ? place.location : place.expected;
    for (const std::string name : {"Location", "Content-Location"}) {
      const std::string head =
          written_response("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + name + ": " +
                               std::string(place.location) + "\r\n\r\n",
                           situation);
      EXPECT_EQ(value_of(head, name), expected) << place.situation;
    }
  }
}

TEST(PublicUrl, TheInternalSiteIsNamedAsTheClientKnowsIt) {
  const Place places[] = {
      {"its name", kSame, "https://ocspool.contoso.local/x?y#z",
       "https://ocsweb.contoso.com/x?y#z"},
      {"in any case", kSame, "HTTPS://OCSPOOL.contoso.LOCAL/X", "https://ocsweb.contoso.com/X"},
      {"with a final dot", kSame, "https://ocspool.contoso.local./x",
       "https://ocsweb.contoso.com/x"},
      {"with its port", kSame, "https://ocspool.contoso.local:443/x",
       "https://ocsweb.contoso.com/x"},
      {"its address", kSame, "https://192.168.1.105/x", "https://ocsweb.contoso.com/x"},
      {"http, though reached over https", kSame, "http://ocspool.contoso.local/x",
       "https://ocsweb.contoso.com/x"},
      {"no path", kSame, "https://ocspool.contoso.local", "https://ocsweb.contoso.com/"},
      {"no path but a query", kSame, "https://ocspool.contoso.local?q",
       "https://ocsweb.contoso.com/?q"},
      {"no scheme", kSame, "//ocspool.contoso.local/x", "https://ocsweb.contoso.com/x"},
      {"behind bridging http", kPlainSite, "http://ocspool.contoso.local/x",
       "https://ocsweb.contoso.com/x"},
      {"behind bridging http, with the port", kPlainSite, "http://ocspool.contoso.local:80/x",
       "https://ocsweb.contoso.com/x"},
      {"at another port", kOtherPort, "https://ocspool.contoso.local:4443/x",
       "https://ocsweb.contoso.com/x"},
      {"at another port, which it does not name", kOtherPort, "https://ocspool.contoso.local/x",
       "https://ocsweb.contoso.com/x"},
      {"the public name behind bridging http", kOriginalPlain, "http://ocsweb.contoso.com/x",
       "https://ocsweb.contoso.com/x"},
      {"the public name with the internal port", kOriginalPlain, "http://ocsweb.contoso.com:8080/x",
       "https://ocsweb.contoso.com/x"},
      {"the public name with the internal port of https", kOriginalOtherPort,
       "https://ocsweb.contoso.com:4443/x", "https://ocsweb.contoso.com/x"},
      {"the internal name in spite of original_host", kOriginal, "https://ocspool.contoso.local/x",
       "https://ocsweb.contoso.com/x"},
  };
  expect_places(places, {});
}

TEST(PublicUrl, WhatIsElsewhereIsNotTouched) {
  const Place places[] = {
      {"another name", kSame, "https://login.contoso.com/x", ""},
      {"a name that begins like it", kSame, "https://ocspool.contoso.local.evil.test/x", ""},
      {"a name that ends like it", kSame, "https://xocspool.contoso.local/x", ""},
      {"another port", kSame, "https://ocspool.contoso.local:8443/x", ""},
      {"the site as user name", kSame, "https://ocspool.contoso.local@evil.test/x", ""},
      {"a backslash in the name", kSame, "https://ocspool.contoso.local\\@evil.test/x", ""},
      {"the public name, without original_host", kMapped, "https://ocsweb.contoso.com/abs/ext/x",
       ""},
      {"the public name over http on purpose", kOriginal, "http://ocsweb.contoso.com/x", ""},
      {"another scheme", kSame, "sip:user@ocspool.contoso.local", ""},
      {"another scheme with an authority", kSame, "ftp://ocspool.contoso.local/x", ""},
      {"a relative path", kMapped, "int/conf/x", ""},
      {"a query alone", kMapped, "?a=/abs/ext/b", ""},
      {"a fragment alone", kMapped, "#/abs/ext/b", ""},
      {"the site in the query", kSame,
       "https://login.contoso.com/?to=https://ocspool.contoso.local/", ""},
      {"nothing", kSame, "", ""},
      {"no authority", kSame, "https:///x", ""},
      {"a scheme alone", kSame, "https://", ""},
  };
  expect_places(places, {});
}

TEST(PublicUrl, PathsAreMappedBackAbsoluteOrWithTheirSite) {
  const Place places[] = {
      {"the path that matched", kMapped, "/abs/ext/x?q", "/abs/x?q"},
      {"in any case, the rest as it is", kMapped, "/ABS/Ext/X", "/abs/X"},
      {"with the site", kMapped, "https://ocspool.contoso.local/abs/ext/x",
       "https://ocsweb.contoso.com/abs/x"},
      {"another path of the rule", kMapped, "/int/conf/x", "/conf/x"},
      {"what is not published", kMapped, "/other/abs/ext", ""},
      {"a directory that begins like it", kMapped, "/abs/extra/x", ""},
      {"the directory itself", kMapped, "/abs/ext", "/abs"},
      {"below the root", kFromRoot, "/app/x", "/x"},
      {"the directory itself becomes the root", kFromRoot, "/app", "/"},
      {"beside it", kFromRoot, "/other", ""},
  };
  expect_places(places, {});
}

TEST(PublicUrl, PatternsMapNothingAndDoNotHideThePathsBesideThem) {
  const Rule rule = ocs_rule({pattern("/x.*"), path("/abs/*", "/abs/ext/*")});
  const Place places[] = {
      {"by the other path", rule, "/abs/ext/x", "/abs/x"},
      {"by none", rule, "/xyz", ""},
  };
  expect_places(places, {});
}

TEST(PublicUrl, ThePublicNameIsWrittenAsTheClientWroteIt) {
  ResponseSituation situation;
  situation.host = "OCSweb.contoso.com:8443";
  const Place places[] = {
      {"case and port", kSame, "https://ocspool.contoso.local/x",
       "https://OCSweb.contoso.com:8443/x"},
      {"the public port", kOriginal, "https://ocsweb.contoso.com:8443/x",
       "https://OCSweb.contoso.com:8443/x"},
  };
  expect_places(places, situation);
}

TEST(PublicUrl, AClientThatNamedNoHostGetsThePathAlone) {
  ResponseSituation situation;
  situation.host = "";
  situation.request_version = Version::http1_0;
  const Place places[] = {
      {"with a path", kMapped, "https://ocspool.contoso.local/abs/ext/x?q", "/abs/x?q"},
      {"without", kSame, "https://ocspool.contoso.local", "/"},
  };
  expect_places(places, situation);
}

TEST(PublicUrl, APlainClientStaysPlainUnlessThePlainSiteSendsItToHttps) {
  ResponseSituation situation;
  situation.client_secure = false;
  situation.host = "ocsweb.contoso.com:8080";
  const Place places[] = {
      {"plain on both sides", kPlainSite, "http://ocspool.contoso.local/x",
       "http://ocsweb.contoso.com:8080/x"},
      {"the site wants https", kPlainSite, "https://ocspool.contoso.local/x",
       "https://ocsweb.contoso.com/x"},
      {"the site is on https itself", kSame, "https://ocspool.contoso.local/x",
       "http://ocsweb.contoso.com:8080/x"},
  };
  expect_places(places, situation);
}

// ---- Set-Cookie

struct Cookie {
  std::string_view situation;
  const Rule& rule;
  std::string_view cookie;
  std::string_view expected;  // "": as it came
};

void expect_cookies(std::span<const Cookie> cookies, std::string_view host) {
  for (const Cookie& row : cookies) {
    ResponseSituation situation;
    situation.rule = row.rule;
    situation.host = host;
    const std::string head = written_response(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: " + std::string(row.cookie) +
            "\r\n\r\n",
        situation);
    EXPECT_EQ(value_of(head, "Set-Cookie"), row.expected.empty() ? row.cookie : row.expected)
        << row.situation;
  }
}

TEST(PublicCookie, DomainsOfTheSiteBecomeThePublicName) {
  const Cookie cookies[] = {
      {"none", kSame, "a=b; Secure; HttpOnly; SameSite=Lax", ""},
      {"the site", kSame, "a=b; Domain=ocspool.contoso.local; Secure",
       "a=b; Domain=ocsweb.contoso.com; Secure"},
      {"with a dot before", kSame, "a=b; domain=.OCSPool.contoso.local",
       "a=b; Domain=ocsweb.contoso.com"},
      {"a domain above it", kSame, "a=b;Domain=contoso.local", "a=b; Domain=ocsweb.contoso.com"},
      {"a domain that the public name is in", kSame, "a=b; Domain=.contoso.com", ""},
      {"another", kSame, "a=b; Domain=fabrikam.com", ""},
      {"one that only ends like it", kSame, "a=b; Domain=ool.contoso.local", ""},
      {"an empty one", kSame, "a=b; Domain=", ""},
      {"without a value", kSame, "a=b; Domain", ""},
      {"in the value of the cookie", kSame, "a=Domain=ocspool.contoso.local", ""},
      {"as the cookie's name", kSame, "Domain=ocspool.contoso.local; Path=/", ""},
      {"twice", kSame, "a=b; Domain=x; Domain=ocspool.contoso.local",
       "a=b; Domain=x; Domain=ocsweb.contoso.com"},
      {"an empty attribute", kSame, "a=b;; ;Domain = ocspool.contoso.local ;",
       "a=b;; ; Domain=ocsweb.contoso.com;"},
  };
  expect_cookies(cookies, "OCSweb.contoso.com:8443");
}

TEST(PublicCookie, WithoutAPublicNameTheCookieIsForTheHostAlone) {
  const Cookie cookies[] = {
      {"the site", kSame, "a=b; Domain=ocspool.contoso.local; Secure", "a=b; Secure"},
      {"the path all the same", kMapped, "a=b; Domain=contoso.local; Path=/abs/ext",
       "a=b; Path=/abs"},
  };
  expect_cookies(cookies, "");
  expect_cookies(cookies, "203.0.113.10");
  expect_cookies(cookies, "[2001:db8::1]:443");
}

TEST(PublicCookie, PathsAreMappedBack) {
  const Rule renamed = ocs_rule({path("/x/*", "/app/ext/*")});
  const Cookie cookies[] = {
      {"the path that matched", kMapped, "a=b; Path=/abs/ext; Secure", "a=b; Path=/abs; Secure"},
      {"below it", kMapped, "a=b; path=/abs/ext/y/", "a=b; Path=/abs/y/"},
      {"another path of the rule", kMapped, "a=b; Path=/int/conf", "a=b; Path=/conf"},
      {"the root stays", kMapped, "a=b; Path=/", ""},
      {"a directory of both sides stays", kMapped, "a=b; Path=/abs", ""},
      {"a directory that holds all that is published", renamed, "a=b; Path=/app", "a=b; Path=/x"},
      {"the same with a slash", renamed, "a=b; Path=/app/", "a=b; Path=/x"},
      {"a directory beside it", renamed, "a=b; Path=/ap", ""},
      {"from the root", kFromRoot, "a=b; Path=/app", "a=b; Path=/"},
      {"no path", kMapped, "a=b; Path=", ""},
      {"quoted", kMapped, "a=b; Path=\"/abs/ext\"", ""},
      {"relative", kMapped, "a=b; Path=abs/ext", ""},
  };
  expect_cookies(cookies, "ocsweb.contoso.com");
}

// ---- Referer and Origin

struct Sent {
  std::string_view situation;
  const Rule& rule;
  std::string_view field;
  std::string_view value;
  std::string_view expected;  // "": as it came
};

void expect_sent(std::span<const Sent> rows, bool secure, std::string_view host) {
  for (const Sent& row : rows) {
    const std::string name(row.field);
    const std::string head =
        written_request("GET /abs HTTP/1.1\r\nHost: " + std::string(host) + "\r\n" + name + ": " +
                            std::string(row.value) + "\r\n\r\n",
                        {.rule = row.rule, .client_secure = secure});
    EXPECT_EQ(value_of(head, name), row.expected.empty() ? row.value : row.expected)
        << row.situation;
  }
}

TEST(InternalUrl, UrlsOfTheSameOriginAreNamedAsTheSiteKnowsItself) {
  const Sent rows[] = {
      {"origin", kSame, "Origin", "https://ocsweb.contoso.com", "https://ocspool.contoso.local"},
      {"origin with the port", kSame, "Origin", "https://ocsweb.contoso.com:443",
       "https://ocspool.contoso.local"},
      {"origin for a site at another port", kOtherPort, "Origin", "https://ocsweb.contoso.com",
       "https://ocspool.contoso.local:4443"},
      {"origin for a plain site", kPlainSite, "Origin", "https://ocsweb.contoso.com",
       "http://ocspool.contoso.local"},
      {"origin with original_host", kOriginal, "Origin", "https://ocsweb.contoso.com", ""},
      {"referer", kMapped, "Referer", "https://OCSweb.contoso.com/ABS/x?q#f",
       "https://ocspool.contoso.local/abs/ext/x?q#f"},
      {"referer of another path", kMapped, "Referer", "https://ocsweb.contoso.com/conf/x",
       "https://ocspool.contoso.local/int/conf/x"},
      {"referer of no path of the rule", kMapped, "Referer", "https://ocsweb.contoso.com/other",
       "https://ocspool.contoso.local/other"},
      {"referer without a path", kMapped, "Referer", "https://ocsweb.contoso.com",
       "https://ocspool.contoso.local"},
  };
  expect_sent(rows, true, "ocsweb.contoso.com");
}

TEST(InternalUrl, OtherOriginsAreNotMadeTheSitesOwn) {
  const Sent rows[] = {
      {"another site", kSame, "Origin", "https://evil.test", ""},
      {"another scheme", kSame, "Origin", "http://ocsweb.contoso.com", ""},
      {"another port", kSame, "Origin", "https://ocsweb.contoso.com:8443", ""},
      {"a domain below", kSame, "Origin", "https://x.ocsweb.contoso.com", ""},
      {"a domain that begins so", kSame, "Origin", "https://ocsweb.contoso.com.evil.test", ""},
      {"no origin", kSame, "Origin", "null", ""},
      {"user name", kSame, "Referer", "https://ocsweb.contoso.com@evil.test/", ""},
      {"no scheme", kSame, "Referer", "//ocsweb.contoso.com/x", ""},
      {"a path", kMapped, "Referer", "/abs/x", ""},
      {"nothing", kSame, "Referer", "", ""},
  };
  expect_sent(rows, true, "ocsweb.contoso.com");
}

TEST(InternalUrl, TheOriginIsThatOfTheHostThatTheClientWrote) {
  const Sent rows[] = {
      {"the same port", kSame, "Origin", "http://ocsweb.contoso.com:8080",
       "https://ocspool.contoso.local"},
      {"the port of http", kSame, "Origin", "http://ocsweb.contoso.com", ""},
  };
  expect_sent(rows, false, "ocsweb.contoso.com:8080");
}

// ---- Destination

TEST(DestinationField, GoesOnInTheFormThatWasJudged) {
  const std::string head = written_request(
      "MOVE /abs/a HTTP/1.1\r\nHost: ocsweb.contoso.com\r\n"
      "Destination: https://ocsweb.contoso.com/x/../ABS/%62?q\r\nOverwrite: F\r\n\r\n",
      {.rule = kMapped});
  EXPECT_EQ(value_of(head, "Destination"), "https://ocspool.contoso.local/abs/ext/b?q");
  EXPECT_EQ(value_of(head, "Overwrite"), "F");
}

TEST(DestinationField, WhatNobodyJudgedDoesNotGoOn) {
  const std::string head =
      written_request("MOVE /a HTTP/1.1\r\nHost: ocsweb.contoso.com\r\nDestination: /b\r\n\r\n",
                      {.destination_judged = false});
  EXPECT_EQ(value_of(head, "Destination"), "(none)");
}

}  // namespace
}  // namespace ocsproxy
