#include "lab/instructions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "settings/load.h"
#include "test/source_path.h"

namespace ocsproxy::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string instructions(const std::string& path, Files& files) {
  auto loaded = settings::load(path, files, settings::NamedFiles::later);
  EXPECT_TRUE(loaded);
  EXPECT_FALSE(loaded->findings.has_errors()) << render(loaded->findings, loaded->sources);
  return instructions_for(loaded->settings, "my conf/certs/lab-rootca.pem");
}

TEST(Instructions, OfTheShippedConfigurationShowAllThreeKinds) {
  DiskFiles files;
  const std::string text = instructions(test::source_path("conf"), files);
  const std::string curl =
      "  curl -i --cacert 'my conf/certs/lab-rootca.pem' "
      "--resolve ocsweb.contoso.com:8443:127.0.0.1";
  EXPECT_THAT(text, HasSubstr(curl + " \\\n    "
                                     "https://ocsweb.contoso.com:8443/Conf/Ext/Tshoot.html\n"));
  EXPECT_THAT(text, HasSubstr(curl + " \\\n    "
                                     "https://ocsweb.contoso.com:8443/ABS/Int/Handler\n"));
  EXPECT_THAT(text, HasSubstr(curl + " --ntlm -u 'CONTOSO\\alice:password' \\\n    "
                                     "https://ocsweb.contoso.com:8443/ABS/Ext/Handler\n"));
}

TEST(Instructions, ShowOnlyWhatTheConfigurationDoes) {
  const std::string text =
      "networks: {External: [127.0.0.0/8]}\n"
      "trusted_roots: [r.pem]\n"
      "listeners:\n"
      "  - {name: L, networks: [External], addresses: [\"::1\"],\n"
      "     https: {port: 8443, certificates: [{chain: c.pem, key: c.key}]}}\n"
      "rules:\n"
      "  - {name: R, action: allow, listener: L, from: [External], public_names: [\"*.a.test\"],\n"
      "     paths: [/ABS/*], to: {site: s.test, address: 127.0.0.1}, delegation: none}\n";
  MemoryFiles files({{"c.yaml", text}}, {{"c.yaml", {"c.yaml"}}});
  const std::string shown = instructions("c.yaml", files);
  EXPECT_THAT(shown, HasSubstr("--resolve www.a.test:8443:[::1]"));
  EXPECT_THAT(shown, Not(HasSubstr("Allowed"))) << "none of the anonymous pages is published";
  EXPECT_THAT(shown, HasSubstr("Denied")) << "/GroupExpansion is not published";
  EXPECT_THAT(shown, HasSubstr("/GroupExpansion/Int/service.asmx"));
  EXPECT_THAT(shown, Not(HasSubstr("--ntlm"))) << "the rule does not pass credentials on";
}

}  // namespace
}  // namespace ocsproxy::lab
