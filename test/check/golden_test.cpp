// golden/CODE.yaml is a configuration that has the finding CODE, the exact report, and the mend:
// lines "=== mend OLD => NEW" replace a part of the configuration by another, after which neither
// the finding nor any error or warning is left. OCSPROXY_REWRITE_GOLDEN=1 writes what is reported
// now into the files, to be reviewed as a diff.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "scene.h"
#include "test/source_path.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kGolden = test::source_path("test/check/golden");
const std::string kSettingsGolden = test::source_path("test/settings/golden");
constexpr std::string_view kExpected = "=== expected\n";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> names_in(std::string_view folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

std::string path_of(const std::string& name) { return std::string(kGolden) + '/' + name + ".yaml"; }

struct GoldenFile {
  std::string input;   // up to "=== expected"
  std::string config;  // up to the first "=== "
  std::string mended;
  std::string expected;
};

GoldenFile read_golden(const std::string& name) {
  static constexpr std::string_view kMend = "=== mend ";
  const std::string text = read_file(path_of(name));
  GoldenFile golden;
  const std::size_t end = text.find(kExpected);
  golden.input = text.substr(0, end);
  golden.expected = text.substr(end + kExpected.size());
  golden.config = golden.mended = text.substr(0, text.find("=== "));
  std::size_t at = golden.config.size();
  while (at < golden.input.size()) {
    const std::string line = golden.input.substr(at, golden.input.find('\n', at) - at);
    at += line.size() + 1;
    const std::size_t arrow = line.find(" => ");
    const std::string old = line.substr(kMend.size(), arrow - kMend.size());
    const std::size_t place = golden.mended.find(old);
    EXPECT_NE(place, std::string::npos) << "nothing to mend: " << old;
    if (place == std::string::npos) continue;
    std::string replacement = line.substr(arrow + 4);
    for (std::size_t n = 0; (n = replacement.find("\\n", n)) != std::string::npos; ++n) {
      replacement.replace(n, 2, "\n");
    }
    golden.mended.replace(place, old.size(), replacement);
  }
  return golden;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsReportedAsExpected) {
  const GoldenFile golden = read_golden(GetParam());
  const std::string now = test::check({{"conf/a.yaml", golden.config}}).report;
  if (std::getenv("OCSPROXY_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path_of(GetParam()), std::ios::binary) << golden.input << kExpected << now;
  } else {
    EXPECT_EQ(now, golden.expected);
  }
  EXPECT_THAT(now, HasSubstr('[' + GetParam() + ']'));
}

TEST_P(Golden, IsGoneOnceItIsMended) {
  const GoldenFile golden = read_golden(GetParam());
  ASSERT_NE(golden.mended, golden.config);
  const test::Checked checked = test::check({{"conf/a.yaml", golden.mended}});
  EXPECT_THAT(checked.report, Not(HasSubstr('[' + GetParam() + ']')));
  EXPECT_EQ(checked.findings.count(Severity::error), 0U) << checked.report;
  EXPECT_EQ(checked.findings.count(Severity::warning), 0U) << checked.report;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(names_in(kGolden)), [](const auto& one) {
  std::string name = one.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// What a configuration in memory cannot have; the tests named here have it.
struct Elsewhere {
  std::string_view code;
  std::string_view test;
};
constexpr std::array<Elsewhere, 30> kElsewhere{{
    {"cannot-listen", "listeners/load_test.cpp"},
    {"cannot-open-log", "listeners/load_test.cpp"},
    {"clock-skew", "e2e/test_check_live.py"},
    {"directory-missing", "e2e/test_check_live.py"},
    {"directory-unlike-ocs", "e2e/test_check_live.py"},
    {"dns-record-differs", "e2e/test_check_live_dns.py"},
    {"dns-record-missing", "e2e/test_check_live_dns.py"},
    {"dns-target-outside", "e2e/test_check_live_dns.py"},
    {"dns-target-untrusted", "e2e/test_check_live_dns.py"},
    {"file-unreadable", "settings/load_test.cpp"},
    {"kernel-tls-missing", "e2e/test_check_live.py"},
    {"no-files", "settings/load_test.cpp"},
    {"not-text", "settings/load_test.cpp"},
    {"ntlm-closed", "e2e/test_check_live.py"},
    {"ntlm-spread", "e2e/test_check_live.py"},
    {"ntlm-without-challenge", "e2e/test_check_live.py"},
    {"public-name-elsewhere", "e2e/test_check_live_dns.py"},
    {"public-name-is-site", "e2e/test_check_live_dns.py"},
    {"public-name-unresolved", "e2e/test_check_live_dns.py"},
    {"redirect-internal", "e2e/test_check_live.py"},
    {"redirect-loop", "e2e/test_check_live.py"},
    {"redirect-refused", "e2e/test_check_live.py"},
    {"redirect-unencrypted", "e2e/test_check_live.py"},
    {"site-elsewhere", "e2e/test_check_live_dns.py"},
    {"site-fails", "e2e/test_check_live.py"},
    {"site-handshake", "e2e/test_check_live.py"},
    {"site-unreachable", "e2e/test_check_live.py"},
    {"site-unresolved", "e2e/test_check_live_dns.py"},
    {"site-untrusted", "e2e/test_check_live.py"},
    {"workers-fixed", "listeners/load_test.cpp"},
}};

TEST(FindingCodes, AreEachMetInAGoldenFile) {
  std::set<std::string> met;
  for (const std::string& name : names_in(kGolden)) met.insert(name);
  std::string reported;
  for (const std::string& name : names_in(kSettingsGolden)) {
    const std::string text = read_file(std::string(kSettingsGolden) + '/' + name + ".yaml");
    reported += text.substr(text.find(kExpected));
  }
  for (const FindingCode& code : kFindingCodes) {
    const std::string name(code.name);
    const auto* const elsewhere = std::ranges::find(kElsewhere, code.name, &Elsewhere::code);
    if (elsewhere != kElsewhere.end()) {
      const std::string test = test::source_path("test/" + std::string(elsewhere->test));
      EXPECT_THAT(read_file(test), HasSubstr(name)) << test;
    } else {
      EXPECT_TRUE(met.contains(name) || reported.find('[' + name + "]\n") != std::string::npos)
          << name << " is in the table, and no golden file has it";
    }
  }
}

TEST(Valid, ConfigurationsHaveNoErrorAndNoWarning) {
  const std::string folder = test::source_path("test/check/valid");
  const auto names = names_in(folder);
  EXPECT_GE(names.size(), 20U);
  for (const std::string& name : names) {
    const test::Checked checked =
        test::check({{"conf/a.yaml", read_file(folder + '/' + name + ".yaml")}});
    EXPECT_EQ(checked.findings.count(Severity::error), 0U) << name << '\n' << checked.report;
    EXPECT_EQ(checked.findings.count(Severity::warning), 0U) << name << '\n' << checked.report;
  }
}

}  // namespace
}  // namespace ocsproxy
