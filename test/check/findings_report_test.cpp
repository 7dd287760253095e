// One set of findings in each of the forms in which --check prints it.
#include "check/findings_report.h"

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using testing::HasSubstr;

class Report : public testing::Test {
 protected:
  Report() {
    const std::uint32_t file =
        sources_.add("conf/a b.yaml", "drain: \"1\"\n# äö\tworkers: \"x\"\n");
    findings_.error("wrong-type", {file, 1, 8}, "it says \"1\"", "write 1s");
    findings_.warning("workers-fixed", {file, 2, 17}, "fixed").fragment = "x\"";
    findings_.error("no-listener", {}, "nobody is served");
  }
  std::string report(ReportFormat format) const {
    return report_findings(findings_, sources_, format, false);
  }
  Sources sources_;
  Findings findings_;
};

TEST_F(Report, TextHasLineCaretMendAndCounts) {
  EXPECT_EQ(report(ReportFormat::text),
            "conf/a b.yaml:1:8: error: it says \"1\" [wrong-type]\n"
            "    drain: \"1\"\n"
            "           ^\n"
            "    write 1s\n"
            "conf/a b.yaml:2:18: warning: fixed [workers-fixed]\n"
            "    # äö\tworkers: \"x\"\n"
            "        \t          ^~\n"
            "error: nobody is served [no-listener]\n"
            "2 errors, 1 warning, 0 notes\n");
}

TEST_F(Report, WhatIsWellStandsBeforeTheFindings) {
  const std::vector<std::string> well{"it is \"free\""};
  const auto with = [&](ReportFormat format) {
    return report_findings(findings_, sources_, format, false, well);
  };
  EXPECT_EQ(with(ReportFormat::text), "ok: it is \"free\"\n" + report(ReportFormat::text));
  EXPECT_THAT(with(ReportFormat::json), HasSubstr(R"("well": [
    "it is \"free\""
  ])"));
  EXPECT_EQ(with(ReportFormat::sarif), report(ReportFormat::sarif));
}

TEST_F(Report, JsonHasEachFindingWithItsPlace) {
  const std::string json = report(ReportFormat::json);
  EXPECT_THAT(json, HasSubstr("\"errors\": 2,\n  \"warnings\": 1,\n  \"notes\": 0,"));
  EXPECT_THAT(json, HasSubstr(R"(      "severity": "error",
      "code": "wrong-type",
      "file": "conf/a b.yaml",
      "line": 1,
      "column": 8,
      "source": "drain: \"1\"",
      "text": "it says \"1\"",
      "mend": "write 1s"
)"));
  EXPECT_THAT(json, HasSubstr(R"("code": "no-listener",
      "text")"));
}

TEST_F(Report, SarifCountsColumnsInCharactersAndEscapesThePath) {
  const std::string sarif = report(ReportFormat::sarif);
  EXPECT_THAT(sarif, HasSubstr("\"uri\": \"conf/a%20b.yaml\""));
  EXPECT_THAT(sarif, HasSubstr(R"("startLine": 2,
                  "startColumn": 16,
                  "endColumn": 18)"));
  EXPECT_THAT(sarif, HasSubstr("\"text\": \"it says \\\"1\\\"\\nwrite 1s\""));
}

TEST_F(Report, SarifHasARuleForEachCodeAndNamesItByItsIndex) {
  const std::string sarif = report(ReportFormat::sarif);
  std::size_t index = 0;
  while (kFindingCodes[index].name != "wrong-type") ++index;
  for (const FindingCode& code : kFindingCodes) {
    EXPECT_THAT(sarif, HasSubstr("\"id\": \"" + std::string(code.name) + "\""));
  }
  EXPECT_THAT(sarif, HasSubstr("\"ruleId\": \"wrong-type\",\n          \"ruleIndex\": " +
                               std::to_string(index) + ","));
}

}  // namespace
}  // namespace ocsproxy
