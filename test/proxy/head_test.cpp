#include "proxy/head.h"

#include <memory>

namespace ocsproxy {
namespace {

struct Name {
  std::string_view name;
  FieldId id;
};
constexpr Name kNames[] = {
    {"Host", FieldId::host},
    {"HOST", FieldId::host},
    {"hOsT", FieldId::host},
    {"Hosts", FieldId::other},
    {"Hos", FieldId::other},
    {"", FieldId::other},
    {"H", FieldId::other},
    {"TE", FieldId::te},
    {"Content-Length", FieldId::content_length},
    {"Content_Length", FieldId::underscore},
    {"Content-Length_", FieldId::underscore},
    {"Content-Disposition", FieldId::content_other},
    {"Content", FieldId::other},
    {"Transfer-Encoding", FieldId::transfer_encoding},
    {"Connection", FieldId::connection},
    {"Keep-Alive", FieldId::keep_alive},
    {"Proxy", FieldId::proxy},
    {"Proxy-Connection", FieldId::proxy_connection},
    {"Proxy-Authorization", FieldId::proxy_authorization},
    {"proxy-authentication-info", FieldId::proxy_authentication_info},
    {"HTTP2-Settings", FieldId::http2_settings},
    {"X-Forwarded-For", FieldId::x_forwarded_for},
    {"x-forwarded-proto", FieldId::x_forwarded_proto},
    {"X-Forwarded-Port", FieldId::x_forwarded_other},
    {"X-Forwarded-Client-Cert", FieldId::x_forwarded_other},
    {"X_Forwarded_For", FieldId::underscore},
    {"X-Forwarded_For", FieldId::underscore},
    {"X-Forwarded-F_or", FieldId::underscore},
    {"X-SSL-Client-Verify", FieldId::x_ssl_client},
    {"Client-Cert", FieldId::x_ssl_client},
    {"X-Client-Cert", FieldId::x_ssl_client},
    {"X-Real-IP", FieldId::x_real_ip},
    {"X-Original-URL", FieldId::x_original_url},
    {"X-Rewrite-URL", FieldId::x_rewrite_url},
    {"Front-End-Https", FieldId::front_end_https},
    {"WWW-Authenticate", FieldId::www_authenticate},
    {"Authentication-Info", FieldId::authentication_info},
    {"Sec-WebSocket-Key", FieldId::sec_websocket},
    {"X-A-Field-Whose-Name-Is-Longer-Than-Any-Known", FieldId::other},
    {"_", FieldId::underscore},
};

TEST(FieldId, KnownNamesAreRecognisedWithoutRegardToCaseAndOthersAreNot) {
  for (const Name& row : kNames) EXPECT_EQ(field_id(row.name), row.id) << row.name;
}

TEST(MethodId, MethodsAreRecognisedWithRegardToCase) {
  EXPECT_EQ(method_id("GET"), Method::get);
  EXPECT_EQ(method_id("HEAD"), Method::head);
  EXPECT_EQ(method_id("DELETE"), Method::del);
  EXPECT_EQ(method_id("CONNECT"), Method::connect);
  EXPECT_EQ(method_id("get"), Method::other);
  EXPECT_EQ(method_id("RPC_IN_DATA"), Method::other);
}

TEST(FieldList, AnswersForAbsentSingleAndRepeatedFields) {
  const auto list = std::make_unique<FieldList>();
  list->add({"A", "1", FieldId::other});
  list->add({"Via", "x", FieldId::via});
  list->add({"Via", "y", FieldId::via});
  EXPECT_EQ(list->find(FieldId::host), nullptr);
  EXPECT_EQ(list->value(FieldId::host), "");
  EXPECT_EQ(list->count(FieldId::host), 0U);
  EXPECT_EQ(list->value(FieldId::via), "x");
  EXPECT_EQ(list->count(FieldId::via), 2U);
  list->clear();
  EXPECT_FALSE(list->has(FieldId::via));
  EXPECT_TRUE(list->empty());
}

TEST(FieldList, TheFieldAfterTheLastThatFitsIsNotAdded) {
  const auto list = std::make_unique<FieldList>();
  for (std::size_t i = 0; i < FieldList::kMax; ++i)
    EXPECT_TRUE(list->add({"A", "", FieldId::other}));
  EXPECT_FALSE(list->add({"Host", "x", FieldId::host}));
  EXPECT_EQ(list->size(), FieldList::kMax);
  EXPECT_FALSE(list->has(FieldId::host));
}

}  // namespace
}  // namespace ocsproxy
