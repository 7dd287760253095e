// Whatever stands in a configuration, loading it ends, says why it is refused, or gives settings
// that the rest of the program may rely on.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "golden_file.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

bool is_known_network(const Settings& settings, const std::string& name) {
  return name == kExternal || name == kLocalHost || name == kAnywhere ||
         std::ranges::any_of(settings.networks, [&](const auto& n) { return *n.name == name; });
}

void expect_sound(const Listener& listener) {
  EXPECT_FALSE(listener.name->empty());
  EXPECT_FALSE(listener.networks.empty());
  EXPECT_NE(listener.addresses.empty(), listener.interface->empty());
  EXPECT_TRUE(listener.http || listener.https);
  if (!listener.https) return;
  EXPECT_FALSE(listener.https->certificates.empty());
  EXPECT_GE(*listener.https->minimum_version, TlsVersion::tls1_2);
  for (const CertificateFiles& files : listener.https->certificates) {
    EXPECT_NE(files.chain->empty(), files.pfx->empty());
    EXPECT_EQ(files.chain->empty(), files.key->empty());
  }
}

void expect_sound(const Settings& settings, const Rule& rule) {
  EXPECT_FALSE(rule.name->empty());
  EXPECT_FALSE(rule.paths.empty());
  EXPECT_FALSE(rule.methods.empty());
  for (const Path& path : rule.paths) {
    EXPECT_TRUE(path.kind == Path::Kind::regex || path.external.empty() ||
                path.external.starts_with('/'));
  }
  for (const Source& source : rule.from) {
    EXPECT_TRUE(source.range || is_known_network(settings, source.text));
  }
  EXPECT_TRUE(rule.listener->empty() ||
              std::ranges::any_of(settings.listeners,
                                  [&](const auto& one) { return *one.name == *rule.listener; }));
  if (*rule.action == Action::deny) return;
  EXPECT_FALSE(rule.listener->empty());
  EXPECT_FALSE(rule.from.empty());
  EXPECT_FALSE(rule.public_names.empty());
  ASSERT_TRUE(rule.to.has_value());
  EXPECT_FALSE(rule.to->site->empty());
  EXPECT_NE(*rule.to->port, 0);
  EXPECT_TRUE(*rule.to->legacy || *rule.to->minimum_version >= TlsVersion::tls1_2);
}

void expect_sound(const Loaded& loaded) {
  for (const Finding& finding : loaded.findings.all()) {
    EXPECT_FALSE(finding.code.empty());
    EXPECT_FALSE(finding.text.empty());
    EXPECT_TRUE(finding.where.file == Location::kNoFile ||
                finding.where.file < loaded.sources.size());
  }
  EXPECT_EQ(find_unprintable(render(loaded.findings, loaded.sources)), std::string::npos);
  if (loaded.findings.has_errors()) return;
  EXPECT_FALSE(loaded.settings.listeners.empty());
  for (const Listener& listener : loaded.settings.listeners) expect_sound(listener);
  for (const Rule& rule : loaded.settings.rules) expect_sound(loaded.settings, rule);
}

// Most cases begin alike; what they share is mutated once, in the case that is nothing else.
constexpr std::string_view kPlainCase = "good_least";

class Mutated : public testing::TestWithParam<std::string> {
 protected:
  const std::string input_ = read_golden(GetParam()).input;
  const std::size_t first_ = first_own_byte();
  std::minstd_rand random_{1};

  // Loads what `mutate` makes of every `step`th byte, up to the first failure.
  void expect_all_sound(std::size_t step, auto&& mutate) {
    for (std::size_t at = first_; at < input_.size() && !HasFailure(); at += step) {
      SCOPED_TRACE("at byte " + std::to_string(at));
      expect_sound(load_text(mutate(at)));
    }
  }

 private:
  std::size_t first_own_byte() const {
    if (GetParam() == kPlainCase) return 0;
    const std::string plain = read_golden(std::string(kPlainCase)).input;
    return static_cast<std::size_t>(std::ranges::mismatch(input_, plain).in1 - input_.begin());
  }
};

TEST_P(Mutated, CutAnywhereIsRefusedOrSound) {
  expect_all_sound(1, [&](std::size_t at) { return input_.substr(0, at); });
}

TEST_P(Mutated, WithABitFlippedIsRefusedOrSound) {
  expect_all_sound(3, [&](std::size_t at) {
    std::string mutant = input_;
    mutant[at] = static_cast<char>(mutant[at] ^ (1U << (random_() % 7)));
    return mutant;
  });
}

// Brackets, quotes and the like where they do not belong.
TEST_P(Mutated, WithSyntaxPutInIsRefusedOrSound) {
  static constexpr std::string_view kSyntax = "{}[]:,\"'-?*&!|>%@`# \n";
  expect_all_sound(5, [&](std::size_t at) {
    std::string mutant = input_;
    mutant.insert(at, 1, kSyntax[random_() % kSyntax.size()]);
    return mutant;
  });
}

INSTANTIATE_TEST_SUITE_P(All, Mutated, testing::ValuesIn(golden_names()),
                         [](const auto& one) { return one.param; });

class Nested : public testing::TestWithParam<const char*> {};

TEST_P(Nested, TooDeepIsRefused) {
  std::string text = "rules:\n  ";
  for (int i = 0; i < 20'000; ++i) text += GetParam();
  EXPECT_TRUE(load_text(text).findings.has_errors());
}

INSTANTIATE_TEST_SUITE_P(All, Nested, testing::Values("[", "{a: ", "- ", "? "));

}  // namespace
}  // namespace ocsproxy::settings
