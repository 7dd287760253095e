#include "rules/canonical_target.h"

#include <array>

namespace ocsproxy::rules {
namespace {

struct Outcome {
  TargetError error = TargetError::none;
  CanonicalTarget target;
};

// Keeps the buffer alive for the views in `target`.
class Canonical {
 public:
  Outcome operator()(std::string_view target, bool https = true) {
    Outcome outcome;
    outcome.error = canonicalize(target, https, buffer_, outcome.target);
    return outcome;
  }

 private:
  std::array<char, 4096> buffer_{};
};

struct AcceptedRow {
  std::string_view target, path, query;
};

class AcceptedTarget : public testing::TestWithParam<AcceptedRow> {};

TEST_P(AcceptedTarget, HasThisCanonicalForm) {
  Canonical canonical;
  const Outcome outcome = canonical(GetParam().target);
  ASSERT_EQ(outcome.error, TargetError::none)
      << GetParam().target << ": " << describe(outcome.error);
  EXPECT_EQ(outcome.target.path, GetParam().path);
  EXPECT_EQ(outcome.target.query, GetParam().query);
  EXPECT_EQ(outcome.target.authority, "");
}

INSTANTIATE_TEST_SUITE_P(
    Ordinary, AcceptedTarget,
    testing::Values(AcceptedRow{"/", "/", ""}, AcceptedRow{"/a", "/a", ""},
                    AcceptedRow{"/ABS/Ext/Handler/F-0901e.lsabs", "/ABS/Ext/Handler/F-0901e.lsabs",
                                ""},
                    AcceptedRow{"/a?", "/a", "?"}, AcceptedRow{"/?a=b", "/", "?a=b"},
                    AcceptedRow{"/a/", "/a/", ""}, AcceptedRow{"/a.b/c.d", "/a.b/c.d", ""},
                    AcceptedRow{"/.hidden", "/.hidden", ""}, AcceptedRow{"/a:b", "/a:b", ""},
                    AcceptedRow{"/$metadata", "/$metadata", ""},
                    AcceptedRow{"/a;x=1", "/a;x=1", ""},
                    AcceptedRow{"/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@", ""},
                    AcceptedRow{"/administrator", "/administrator", ""}));

INSTANTIATE_TEST_SUITE_P(
    EscapesAreDecodedWhereTheyNeedNotBe, AcceptedTarget,
    testing::Values(AcceptedRow{"/%61dmin", "/admin", ""},
                    AcceptedRow{"/%61%64%6d%69%6e", "/admin", ""},
                    AcceptedRow{"/%7euser/%2Dx", "/~user/-x", ""},
                    AcceptedRow{"/a%3bx", "/a;x", ""}, AcceptedRow{"/a%20b%27c", "/a%20b'c", ""},
                    AcceptedRow{"/%3cb%3e", "/%3Cb%3E", ""}, AcceptedRow{"/a%3f", "/a%3F", ""},
                    AcceptedRow{"/a%23b", "/a%23b", ""}, AcceptedRow{"/100%25", "/100%25", ""},
                    AcceptedRow{"/100%25/41", "/100%25/41", ""},
                    AcceptedRow{"/100%25-", "/100%25-", ""}));

INSTANTIATE_TEST_SUITE_P(RawCharactersThatShouldHaveBeenEscapedAreEscaped, AcceptedTarget,
                         testing::Values(AcceptedRow{"/a|b", "/a%7Cb", ""},
                                         AcceptedRow{"/a[1]", "/a%5B1%5D", ""},
                                         AcceptedRow{"/{\"^`\"}", "/%7B%22%5E%60%22%7D", ""}));

INSTANTIATE_TEST_SUITE_P(
    SlashesAreMergedBeforeDotSegmentsGo, AcceptedTarget,
    testing::Values(
        AcceptedRow{"/./admin", "/admin", ""}, AcceptedRow{"/%2e/admin", "/admin", ""},
        AcceptedRow{"/x/.%2e/admin", "/admin", ""}, AcceptedRow{"/x/%2E%2E/admin", "/admin", ""},
        AcceptedRow{"///admin", "/admin", ""}, AcceptedRow{"/x//../admin", "/admin", ""},
        AcceptedRow{"/a/b/c/../../../admin", "/admin", ""}, AcceptedRow{"/admin/.", "/admin/", ""},
        AcceptedRow{"/admin//", "/admin/", ""}, AcceptedRow{"/admin/x/..", "/admin/", ""},
        AcceptedRow{"/x/..", "/", ""}, AcceptedRow{"/.", "/", ""}, AcceptedRow{"//", "/", ""},
        AcceptedRow{"//evil.test/a", "/evil.test/a", ""},
        AcceptedRow{"/x;a=b/../admin", "/admin", ""}));

INSTANTIATE_TEST_SUITE_P(TheQueryGoesOnByteForByte, AcceptedTarget,
                         testing::Values(AcceptedRow{"/a%20b?d=%26%2F", "/a%20b", "?d=%26%2F"},
                                         AcceptedRow{"/a?x=%0d%0aX-Injected:%201", "/a",
                                                     "?x=%0d%0aX-Injected:%201"},
                                         AcceptedRow{"/admin?x=1", "/admin", "?x=1"},
                                         AcceptedRow{"/a?/../%zz//?\\", "/a", "?/../%zz//?\\"},
                                         AcceptedRow{"/%61?%61%c0%00", "/a", "?%61%c0%00"}));

struct RefusedRow {
  std::string_view target;
  TargetError error;
};

class RefusedTarget : public testing::TestWithParam<RefusedRow> {};

TEST_P(RefusedTarget, IsRefusedForThisReason) {
  Canonical canonical;
  const Outcome outcome = canonical(GetParam().target);
  EXPECT_EQ(outcome.error, GetParam().error)
      << GetParam().target << ": " << describe(outcome.error);
}

using enum TargetError;
INSTANTIATE_TEST_SUITE_P(
    Form, RefusedTarget,
    testing::Values(RefusedRow{"", empty}, RefusedRow{"*", empty}, RefusedRow{"a", empty},
                    RefusedRow{"www.example.test:443", empty},
                    RefusedRow{"https:/www.example.test/a", empty}, RefusedRow{"https://", empty},
                    RefusedRow{"https:///a", empty}, RefusedRow{"://a/b", empty},
                    RefusedRow{"a?b=https://c/", empty},
                    RefusedRow{"ftp://www.example.test/a", foreign_scheme},
                    RefusedRow{"http://www.example.test/a", foreign_scheme},
                    RefusedRow{"https://user@www.example.test/a", userinfo},
                    RefusedRow{"https://@www.example.test/a", userinfo},
                    RefusedRow{"https://www.example.test\\@evil.test/a", raw_byte},
                    RefusedRow{"https://www.example.test#/a", raw_byte}));

INSTANTIATE_TEST_SUITE_P(
    RawBytes, RefusedTarget,
    testing::Values(RefusedRow{"/a\x01z", raw_byte}, RefusedRow{"/a\x7fz", raw_byte},
                    RefusedRow{"/a z", raw_byte}, RefusedRow{"/a\tz", raw_byte},
                    RefusedRow{std::string_view("/a\0z", 4), raw_byte},
                    RefusedRow{"/a\xc3\xa4", raw_byte}, RefusedRow{"/a\\z", raw_byte},
                    RefusedRow{"/a#/../admin", raw_byte}, RefusedRow{"/a?b#c", raw_byte},
                    RefusedRow{"/a?b c", raw_byte}, RefusedRow{"/a?b\xc3\xa4", raw_byte},
                    RefusedRow{"/a?b\rc", raw_byte}));

INSTANTIATE_TEST_SUITE_P(
    Escapes, RefusedTarget,
    testing::Values(RefusedRow{"/a%zz", bad_escape}, RefusedRow{"/%u0061dmin", bad_escape},
                    RefusedRow{"/a%", bad_escape}, RefusedRow{"/a%4", bad_escape},
                    RefusedRow{"/a%4?1", bad_escape}, RefusedRow{"/%%34%31", bad_escape},
                    RefusedRow{"/admin%00", encoded_nul}, RefusedRow{"/x%00/../admin", encoded_nul},
                    RefusedRow{"/x/..%2fadmin", encoded_separator},
                    RefusedRow{"/x%2f..%2Fadmin", encoded_separator},
                    RefusedRow{"/%2fadmin", encoded_separator},
                    RefusedRow{"/x%5c..%5Cadmin", encoded_separator},
                    RefusedRow{"/admin%09", encoded_control},
                    RefusedRow{"/a%0d%0aX-Injected:%201", encoded_control},
                    RefusedRow{"/a%7f", encoded_control}));

INSTANTIATE_TEST_SUITE_P(
    AboveAscii, RefusedTarget,
    testing::Values(RefusedRow{"/x/%c0%ae%c0%ae/admin", bad_utf8},
                    RefusedRow{"/x/..%c0%afadmin", bad_utf8}, RefusedRow{"/%c1%a1dmin", bad_utf8},
                    RefusedRow{"/x/%e0%80%ae%e0%80%ae/admin", bad_utf8},
                    RefusedRow{"/%f0%80%80%af", bad_utf8}, RefusedRow{"/%80", bad_utf8},
                    RefusedRow{"/%c3", bad_utf8}, RefusedRow{"/%c3a", bad_utf8},
                    RefusedRow{"/%c3%28", bad_utf8}, RefusedRow{"/%ed%a0%80", bad_utf8},
                    RefusedRow{"/%f4%90%80%80", bad_utf8}, RefusedRow{"/%f5%80%80%80", bad_utf8},
                    RefusedRow{"/%ff", bad_utf8}, RefusedRow{"/%c3%a4%c3", bad_utf8},
                    RefusedRow{"/%c3%a4/../..", above_root}));

INSTANTIATE_TEST_SUITE_P(
    Segments, RefusedTarget,
    testing::Values(RefusedRow{"/../../../../etc/passwd", above_root},
                    RefusedRow{"/%2e%2e/%2e%2e/etc/passwd", above_root},
                    RefusedRow{"/a/../..", above_root}, RefusedRow{"//..", above_root},
                    RefusedRow{"/x/..;/admin", parameter_traversal},
                    RefusedRow{"/x/..;a=b/admin", parameter_traversal},
                    RefusedRow{"/x/%2e%2e%3b/admin", parameter_traversal},
                    RefusedRow{"/.;/admin", parameter_traversal},
                    RefusedRow{"/admin::$INDEX_ALLOCATION", stream_suffix},
                    RefusedRow{"/admin%3A%3a%24DATA", stream_suffix},
                    RefusedRow{"/admin:$i30:$INDEX_ALLOCATION/x", stream_suffix},
                    RefusedRow{"/admin.", trailing_dot_or_space},
                    RefusedRow{"/admin./x", trailing_dot_or_space},
                    RefusedRow{"/admin.?x", trailing_dot_or_space},
                    RefusedRow{"/admin%2e", trailing_dot_or_space},
                    RefusedRow{"/admin%20", trailing_dot_or_space},
                    RefusedRow{"/admin%20/x", trailing_dot_or_space},
                    RefusedRow{"/...", trailing_dot_or_space},
                    RefusedRow{"/..%20/x", trailing_dot_or_space},
                    RefusedRow{"/admin.;x=1", trailing_dot_or_space},
                    RefusedRow{"/admin%20;x", trailing_dot_or_space},
                    RefusedRow{"/a;b=c.", trailing_dot_or_space}));

struct ReservedRow {
  std::string_view target, path;
  TargetError reservation;
};

class ReservedTarget : public testing::TestWithParam<ReservedRow> {};

// It has a canonical form, which rules judge; that it goes on takes an HTTP filter.
TEST_P(ReservedTarget, HasACanonicalFormThatKeepsItsEscapes) {
  Canonical canonical;
  const Outcome outcome = canonical(GetParam().target);
  ASSERT_EQ(outcome.error, TargetError::none) << describe(outcome.error);
  EXPECT_EQ(outcome.target.path, GetParam().path);
  EXPECT_EQ(reservation(outcome.target), GetParam().reservation);
}

INSTANTIATE_TEST_SUITE_P(
    All, ReservedTarget,
    testing::Values(ReservedRow{"/%c3%a4", "/%C3%A4", high_bit},
                    ReservedRow{"/%ef%bc%8e%ef%bc%8e/admin", "/%EF%BC%8E%EF%BC%8E/admin", high_bit},
                    ReservedRow{"/%ed%9f%bf/x", "/%ED%9F%BF/x", high_bit},
                    ReservedRow{"/%f4%8f%bf%bf", "/%F4%8F%BF%BF", high_bit},
                    ReservedRow{"/%f0%9f%98%80a", "/%F0%9F%98%80a", high_bit},
                    ReservedRow{"/x%252f..%252fadmin", "/x%252f..%252fadmin", double_encoding},
                    ReservedRow{"/%252e%252e/admin", "/%252e%252e/admin", double_encoding},
                    ReservedRow{"/%2541", "/%2541", double_encoding},
                    ReservedRow{"/%25%34%31", "/%2541", double_encoding},
                    ReservedRow{"/%25%32%35", "/%2525", double_encoding},
                    ReservedRow{"/%c3%a4%2541", "/%C3%A4%2541", double_encoding},
                    // What ".." removes was sent all the same.
                    ReservedRow{"/%2541/../a", "/a", double_encoding},
                    ReservedRow{"/%c3%a4/../a", "/a", high_bit},
                    ReservedRow{"/100%25/x", "/100%25/x", none},
                    ReservedRow{"/a?b=%2541&c=%c3%a4", "/a", none}));

struct AbsoluteRow {
  std::string_view target;
  bool https;
  std::string_view authority, path, query;
};

class AbsoluteTarget : public testing::TestWithParam<AbsoluteRow> {};

TEST_P(AbsoluteTarget, IsReducedToItsPath) {
  const AbsoluteRow& row = GetParam();
  Canonical canonical;
  const Outcome outcome = canonical(row.target, row.https);
  ASSERT_EQ(outcome.error, TargetError::none) << describe(outcome.error);
  EXPECT_EQ(outcome.target.authority, row.authority);
  EXPECT_EQ(outcome.target.path, row.path);
  EXPECT_EQ(outcome.target.query, row.query);
}

INSTANTIATE_TEST_SUITE_P(
    All, AbsoluteTarget,
    testing::Values(
        AbsoluteRow{"http://www.example.test/a", false, "www.example.test", "/a", ""},
        AbsoluteRow{"https://www.example.test/a", true, "www.example.test", "/a", ""},
        AbsoluteRow{"HTTPS://WWW.EXAMPLE.TEST/a", true, "WWW.EXAMPLE.TEST", "/a", ""},
        AbsoluteRow{"https://www.example.test", true, "www.example.test", "/", ""},
        AbsoluteRow{"https://www.example.test?x=/", true, "www.example.test", "/", "?x=/"},
        AbsoluteRow{"https://www.example.test:99999/a", true, "www.example.test:99999", "/a", ""},
        AbsoluteRow{"https://[::1]:443/a/../b?c", true, "[::1]:443", "/b", "?c"}));

TEST(CanonicalTarget, PlainPathIsAViewOfTheInput) {
  const std::string_view target = "/ABS/Ext/Handler?x";
  CanonicalTarget result;
  ASSERT_EQ(canonicalize(target, true, {}, result), TargetError::none);
  EXPECT_EQ(result.path.data(), target.data());
}

TEST(CanonicalTarget, BufferAsLongAsTheTargetIsEnoughForEscapes) {
  const std::string_view target = "/%3c%3e/x%20y";
  std::array<char, 13> buffer{};
  ASSERT_EQ(target.size(), buffer.size());
  CanonicalTarget result;
  EXPECT_EQ(canonicalize(target, true, buffer, result), TargetError::none);
  EXPECT_EQ(result.path, "/%3C%3E/x%20y");
}

TEST(CanonicalTarget, BufferThatIsTooShortIsAnErrorAndNotOverrun) {
  const std::string_view target = "/a/./b[]c";
  for (std::size_t size = 0; size < 11; ++size) {
    std::vector<char> buffer(size);
    CanonicalTarget result;
    EXPECT_EQ(canonicalize(target, true, buffer, result), TargetError::too_long) << size;
  }
}

TEST(CanonicalTarget, EveryErrorHasItsOwnDescription) {
  std::vector<std::string_view> seen;
  for (int error = 0; error <= static_cast<int>(TargetError::high_bit); ++error) {
    const std::string_view text = describe(static_cast<TargetError>(error));
    EXPECT_THAT(seen, testing::Not(testing::Contains(text)));
    seen.push_back(text);
  }
}

}  // namespace
}  // namespace ocsproxy::rules
