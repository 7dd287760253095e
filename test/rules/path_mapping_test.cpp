#include "rules/path_mapping.h"

#include <array>

namespace ocsproxy::rules {
namespace {

using settings::Path;
constexpr Path::Kind kPrefix = Path::Kind::prefix;
constexpr Path::Kind kExact = Path::Kind::exact;
constexpr Path::Kind kRegex = Path::Kind::regex;
constexpr std::string_view kNone = "-";

Path make_path(Path::Kind kind, std::string_view external, std::string_view internal) {
  Path path;
  path.kind = kind;
  path.external = external;
  path.internal = internal;
  return path;
}

struct Row {
  Path::Kind kind;
  std::string_view external, internal;  // of the mapping
  std::string_view path, result;        // kNone: not matched
};

class InternalPath : public testing::TestWithParam<Row> {};

TEST_P(InternalPath, IsThis) {
  const Row& row = GetParam();
  std::array<char, 256> buffer{};
  const auto result =
      internal_path(make_path(row.kind, row.external, row.internal), row.path, buffer);
  EXPECT_EQ(result.value_or(kNone), row.result) << row.path;
}

INSTANTIATE_TEST_SUITE_P(
    All, InternalPath,
    testing::Values(Row{kPrefix, "", "", "/a/b", "/a/b"}, Row{kPrefix, "", "/x", "/a", "/x/a"},
                    Row{kPrefix, "", "/x", "/", "/x/"},
                    Row{kPrefix, "/abs", "/abs/ext", "/abs", "/abs/ext"},
                    Row{kPrefix, "/abs", "/abs/ext", "/abs/", "/abs/ext/"},
                    Row{kPrefix, "/abs", "/abs/ext", "/ABS/Files/X", "/abs/ext/Files/X"},
                    Row{kPrefix, "/abs", "/abs/ext", "/absolute", kNone},
                    Row{kPrefix, "/abs", "/abs/ext", "/ab", kNone},
                    Row{kPrefix, "/abs", "/abs", "/ABS/x", "/ABS/x"},
                    Row{kPrefix, "/abs", "", "/abs", "/"}, Row{kPrefix, "/abs", "", "/abs/", "/"},
                    Row{kPrefix, "/abs", "", "/abs/x", "/x"},
                    Row{kExact, "/a.aspx", "/b.aspx", "/A.aspx", "/b.aspx"},
                    Row{kExact, "/a.aspx", "/b.aspx", "/a.aspx/x", kNone},
                    Row{kExact, "/a", "/a", "/A", "/A"}, Row{kRegex, "/x.*", "", "/xyz", "/xyz"}));

class ExternalPath : public testing::TestWithParam<Row> {};

TEST_P(ExternalPath, IsThis) {
  const Row& row = GetParam();
  std::array<char, 256> buffer{};
  const auto result =
      external_path(make_path(row.kind, row.external, row.internal), row.path, buffer);
  EXPECT_EQ(result.value_or(kNone), row.result) << row.path;
}

INSTANTIATE_TEST_SUITE_P(
    All, ExternalPath,
    testing::Values(Row{kPrefix, "", "", "/a/b", "/a/b"}, Row{kPrefix, "", "/x", "/X/a", "/a"},
                    Row{kPrefix, "", "/x", "/x", "/"}, Row{kPrefix, "", "/x", "/y", kNone},
                    Row{kPrefix, "/abs", "/abs/ext", "/ABS/EXT/Files/X", "/abs/Files/X"},
                    Row{kPrefix, "/abs", "/abs/ext", "/abs/ext", "/abs"},
                    Row{kPrefix, "/abs", "/abs/ext", "/abs/extra", kNone},
                    Row{kPrefix, "/abs", "/abs/ext", "/abs", kNone},
                    Row{kPrefix, "/abs", "", "/x", "/abs/x"},
                    Row{kExact, "/a.aspx", "/b.aspx", "/B.aspx", "/a.aspx"},
                    Row{kExact, "/a.aspx", "/b.aspx", "/a.aspx", kNone},
                    Row{kRegex, "/x.*", "", "/elsewhere", "/elsewhere"}));

TEST(PathMapping, UnmappedPathNeedsNoBuffer) {
  EXPECT_EQ(internal_path(make_path(kPrefix, "/a", "/a"), "/a/b", {}), "/a/b");
}

TEST(PathMapping, BufferThatIsTooShortIsNotOverrun) {
  std::array<char, 5> buffer{};
  EXPECT_EQ(internal_path(make_path(kPrefix, "/a", "/bcd"), "/a/e", buffer), std::nullopt);
  EXPECT_EQ(internal_path(make_path(kPrefix, "/a", "/bc"), "/a/e", buffer), "/bc/e");
}

}  // namespace
}  // namespace ocsproxy::rules
