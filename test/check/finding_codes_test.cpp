// The table of codes, and the page that is written from it.
#include "base/finding_codes.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/text.h"
#include "findings_document.h"
#include "test/source_path.h"

namespace ocsproxy {
namespace {

TEST(FindingCodes, AreWordsWithHyphensOnceEach) {
  std::string_view last;
  for (const FindingCode& code : kFindingCodes) {
    EXPECT_LT(last, code.name);
    for (const char c : code.name) EXPECT_TRUE((is_alpha(c) && to_lower(c) == c) || c == '-');
    last = code.name;
  }
}

TEST(FindingCodes, SayWhatIsWrongHowItLooksAndWhatToDo) {
  for (const FindingCode& code : kFindingCodes) {
    EXPECT_FALSE(code.example.empty()) << code.name;
    for (const std::string_view sentence : {code.meaning, code.mend}) {
      EXPECT_FALSE(sentence.empty() || sentence.ends_with('.')) << code.name;
    }
  }
}

TEST(FindingCodes, AreDocumentedAsTheyStandInTheTable) {
  const std::string path = test::source_path("docs/findings.md");
  if (std::getenv("OCSPROXY_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << findings_document();
  }
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ(text, findings_document()) << "OCSPROXY_REWRITE_GOLDEN=1 writes it anew";
}

}  // namespace
}  // namespace ocsproxy
