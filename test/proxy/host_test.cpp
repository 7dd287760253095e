#include "proxy/host.h"

namespace ocsproxy {
namespace {

struct Row {
  std::string_view situation;
  Version version;
  std::vector<std::string_view> hosts;
  std::string_view authority;  // of an absolute-form target
  int status;                  // 0: accepted
  std::string_view name;
  std::string_view as_sent;
};

const Row kRows[] = {
    {"Host", Version::http1_1, {"www.example.test"}, "", 0, "www.example.test", "www.example.test"},
    {"case, dot and port",
     Version::http1_1,
     {"WWW.Example.test.:443"},
     "",
     0,
     "www.example.test",
     "WWW.Example.test.:443"},
    {"any port in Host", Version::http1_1, {"a.test:8080"}, "", 0, "a.test", "a.test:8080"},
    {"no Host in 1.1", Version::http1_1, {}, "", 400, "", ""},
    {"no Host in 1.1, absolute-form", Version::http1_1, {}, "a.test", 400, "", ""},
    {"no Host in 1.0", Version::http1_0, {}, "", 0, "", ""},
    {"Host twice", Version::http1_1, {"a.test", "a.test"}, "", 400, "", ""},
    {"Host twice in 1.0", Version::http1_0, {"a.test", "b.test"}, "", 400, "", ""},
    {"malformed Host", Version::http1_1, {"a.test/x"}, "", 400, "", ""},
    {"list in Host", Version::http1_1, {"a.test, b.test"}, "", 400, "", ""},
    {"absolute-form wins", Version::http1_1, {"evil.test"}, "A.test", 0, "a.test", "A.test"},
    {"absolute-form in 1.0", Version::http1_0, {}, "a.test", 0, "a.test", "a.test"},
    {"absolute-form with a malformed Host", Version::http1_1, {"a b"}, "a.test", 400, "", ""},
    {"absolute-form with the listener's port",
     Version::http1_1,
     {"a.test"},
     "a.test:443",
     0,
     "a.test",
     "a.test:443"},
    {"absolute-form with another port", Version::http1_1, {"a.test"}, "a.test:22", 400, "", ""},
    {"absolute-form with userinfo", Version::http1_1, {"a.test"}, "u@a.test", 400, "", ""},
};

TEST(RequestHost, ExactlyOneHostDecidesUnlessTheTargetNamesOne) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.situation);
    RequestHead head;
    head.version = row.version;
    for (const std::string_view host : row.hosts) head.fields.add({"Host", host, FieldId::host});
    char buffer[kHostBytes];
    RequestHost host;
    const Refusal refusal = request_host(head, row.authority, 443, buffer, host);
    ASSERT_EQ(refusal.status, row.status) << refusal.why;
    if (refusal) continue;
    EXPECT_EQ(host.authority.name, row.name);
    EXPECT_EQ(host.as_sent, row.as_sent);
  }
}

TEST(RequestHost, NameLongerThanTheBufferIsRefused) {
  const std::string name = "A" + std::string(kHostBytes, 'a') + ".test";
  RequestHead head;
  head.fields.add({"Host", name, FieldId::host});
  char buffer[kHostBytes];
  RequestHost host;
  EXPECT_EQ(request_host(head, "", 443, buffer, host).status, 400);
}

}  // namespace
}  // namespace ocsproxy
