#include "rules/flood_policy.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace ocsproxy::rules {
namespace {

IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }

settings::Source source(const std::string& text) { return {{}, text, AddressRange::parse(text)}; }

settings::FloodException exception(std::vector<std::string> from,
                                   std::optional<std::uint32_t> requests) {
  settings::FloodException made;
  for (const std::string& one : from) made.from.push_back(source(one));
  made.unlimited.value = !requests;
  if (requests) made.limits.requests_per_minute.value = *requests;
  return made;
}

settings::Settings usual() {
  settings::Settings settings;
  settings.networks.push_back({{"Branch", {}}, {{*AddressRange::parse("198.51.100.0/24"), {}}}});
  settings.flood_mitigation.exceptions = {
      exception({"198.51.100.7", "2001:db8::/32"}, 7),
      exception({"Branch"}, 100),
      exception({"198.51.100.0/25", "192.0.2.0-192.0.2.9"}, std::nullopt),
      exception({"Local Host"}, 5),
  };
  return settings;
}

struct Row {
  std::string_view client;
  std::optional<std::uint32_t> requests;  // empty: not limited
};

TEST(FloodPolicy, TakesTheFirstExceptionThatAnAddressIsIn) {
  const settings::Settings settings = usual();
  const std::vector<IpAddress> own{address("203.0.113.1")};
  const FloodPolicy policy(settings, own);
  for (const Row& row :
       {Row{"203.0.113.9", 600}, Row{"198.51.100.7", 7}, Row{"198.51.100.6", 100},
        Row{"198.51.100.8", 100}, Row{"198.51.101.0", 600}, Row{"192.0.2.0", std::nullopt},
        Row{"192.0.2.9", std::nullopt}, Row{"192.0.2.10", 600}, Row{"2001:db8::1", 7},
        Row{"2001:db9::", 600}, Row{"203.0.113.1", 5}, Row{"127.0.0.1", 5}, Row{"::1", 5}}) {
    const settings::FloodLimits* const limits = policy.of(address(row.client));
    ASSERT_EQ(limits != nullptr, row.requests.has_value()) << row.client;
    if (limits == nullptr) continue;
    EXPECT_EQ(*limits->requests_per_minute, *row.requests) << row.client;
  }
}

TEST(FloodPolicy, LimitsNobodyWhenItIsOff) {
  settings::Settings settings = usual();
  settings.flood_mitigation.enabled.value = false;
  EXPECT_EQ(FloodPolicy(settings, {}).of(address("203.0.113.9")), nullptr);
}

TEST(FloodPolicy, WithoutExceptionsIsTheSameForEverybody) {
  const settings::Settings settings;
  const FloodPolicy policy(settings, {});
  EXPECT_EQ(policy.of(address("127.0.0.1")), &settings.flood_mitigation.limits);
  EXPECT_EQ(policy.exception_of(address("127.0.0.1")), nullptr);
}

}  // namespace
}  // namespace ocsproxy::rules
