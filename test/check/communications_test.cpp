// What is known of the directories of OCS, where rules call them otherwise than the site does.
#include "scene.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string report(const std::string& paths) {
  return test::check({{"conf/a.yaml", R"(
trusted_roots: [certs/root.pem]
listeners:
  - {name: Web, networks: [External], addresses: [203.0.113.10], https: {certificates: [{chain: certs/ocs.pem, key: certs/ocs.key}]}}
rules:
  - {name: OCS, action: allow, listener: Web, from: [External], public_names: [ocsweb.contoso.com], paths: )" +
                                          paths +
                                          R"(, to: {site: pool.example.local, address: 10.0.0.5}}
)"}}).report;
}

TEST(Communications, ADirectoryForClientsInsideIsSeenUnderAnotherName) {
  EXPECT_THAT(report("[{external: /book/*, internal: /ABS/Int/*}]"),
              HasSubstr("\"/book/*\" publishes directories that OCS has for clients inside: "
                        "/ABS/Int [publishes-internal-directories]"));
  EXPECT_THAT(report("[{external: /book/*, internal: /abs/int/files/*}]"),
              HasSubstr("clients inside: /ABS/Int [publishes"));
  EXPECT_THAT(report("[{external: /*, internal: /abs/*}]"),
              HasSubstr("clients inside: /ABS/Int [publishes"));
}

TEST(Communications, ItsNameAloneLeadsToNoDirectoryForClientsInside) {
  EXPECT_THAT(report("[{external: /ABS/Int/*, internal: /ABS/Ext/*}]"),
              Not(HasSubstr("publishes-internal-directories")));
  EXPECT_THAT(report("[{external: /abs/*, internal: /other/*}]"),
              Not(HasSubstr("publishes-internal-directories")));
}

}  // namespace
}  // namespace ocsproxy
