#include "rules/address_set.h"

#include <random>

namespace ocsproxy::rules {
namespace {

AddressSet make_set(const std::vector<std::string>& ranges) {
  std::vector<AddressRange> parsed;
  for (const std::string& range : ranges) parsed.push_back(AddressRange::parse(range).value());
  return AddressSet(std::move(parsed));
}

std::string text(const AddressSet& set) {
  std::string result;
  for (const AddressRange& range : set.ranges()) {
    result += (result.empty() ? "" : " ") + range.to_string();
  }
  return result;
}

TEST(AddressSet, RangesThatTouchOrOverlapBecomeOne) {
  EXPECT_EQ(text(make_set({"10.0.0.128/25", "10.0.0.0/25"})), "10.0.0.0/24");
  EXPECT_EQ(text(make_set({"10.0.0.0-10.0.0.9", "10.0.0.5-10.0.0.12"})), "10.0.0.0-10.0.0.12");
  EXPECT_EQ(text(make_set({"10.0.0.0/8", "10.1.0.0/16"})), "10.0.0.0/8");
  EXPECT_EQ(text(make_set({"10.0.0.0", "10.0.0.2"})), "10.0.0.0 10.0.0.2");
}

TEST(AddressSet, EverythingIsBothFamilies) {
  EXPECT_TRUE(AddressSet::all().contains(IpAddress::parse("0.0.0.0").value()));
  EXPECT_TRUE(AddressSet::all().contains(IpAddress::parse("255.255.255.255").value()));
  EXPECT_TRUE(AddressSet::all().contains(IpAddress::parse("::").value()));
  EXPECT_TRUE(AddressSet::all().contains(
      IpAddress::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").value()));
  EXPECT_EQ(AddressSet::all().complement(), AddressSet());
  EXPECT_EQ(AddressSet().complement(), AddressSet::all());
}

TEST(AddressRange, OfIpv6NeitherContainsNorOverlapsIpv4) {
  const AddressRange v6 = AddressRange::parse("::/0").value();
  const AddressRange v4 = AddressRange::parse("10.0.0.0/8").value();
  EXPECT_FALSE(v6.contains(v4.first));
  EXPECT_FALSE(v6.overlaps(v4));
  EXPECT_FALSE(v4.overlaps(v6));
  EXPECT_TRUE(v6.overlaps(AddressRange::parse("::1").value()));
  EXPECT_TRUE(v4.overlaps(AddressRange::parse("10.9.0.0/16").value()));
}

TEST(AddressSet, Ipv6RangeHoldsNoIpv4Address) {
  const AddressSet v6 = make_set({"::/0"});
  EXPECT_FALSE(v6.contains(IpAddress::parse("10.0.0.1").value()));
  EXPECT_TRUE(v6.contains(IpAddress::parse("::").value()));
  EXPECT_TRUE(v6.contains(IpAddress::parse("2001:db8::1").value()));
  EXPECT_EQ(v6 | make_set({"0.0.0.0/0"}), AddressSet::all());
  EXPECT_EQ(text(make_set({"::/0", "10.0.0.0/8"}) & make_set({"0.0.0.0/0"})), "10.0.0.0/8");
}

TEST(AddressSet, ComplementNeverCrossesBetweenFamilies) {
  const AddressSet set = make_set({"10.0.0.0/8", "2001:db8::/32"}).complement();
  for (const AddressRange& range : set.ranges()) {
    EXPECT_EQ(range.first.is_v4(), range.last.is_v4());
  }
}

TEST(AddressSet, DifferenceCutsOneHoleOutOfTwoRanges) {
  EXPECT_EQ(text(make_set({"10.0.0.0-10.0.0.9", "10.0.0.20-10.0.0.29"}) -
                 make_set({"10.0.0.5-10.0.0.24"})),
            "10.0.0.0-10.0.0.4 10.0.0.25-10.0.0.29");
  EXPECT_EQ(text(make_set({"10.0.0.0/24"}) - make_set({"10.0.0.0", "10.0.0.128", "10.0.0.255"})),
            "10.0.0.1-10.0.0.127 10.0.0.129-10.0.0.254");
}

TEST(AddressSet, EndsOfTheSpaceCanBeCutOff) {
  const AddressSet ends = make_set({"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"});
  EXPECT_FALSE((AddressSet::all() - ends).contains(ends.ranges().front().first));
  EXPECT_FALSE((AddressSet::all() - ends).contains(ends.ranges().back().last));
  EXPECT_EQ((AddressSet::all() - ends) | ends, AddressSet::all());
  EXPECT_EQ(ends - ends, AddressSet());
}

// A window of 24 addresses that lies across the border between IPv6 and IPv4.
class Window {
 public:
  Window() {
    IpAddress at = IpAddress::from_v4(0);
    for (int i = 0; i < 12; ++i) at = at.previous().value();
    for (int i = 0; i < 24; ++i, at = at.next().value()) addresses_.push_back(at);
  }
  const std::vector<IpAddress>& addresses() const { return addresses_; }

  AddressSet random_set(std::mt19937& random) const {
    std::vector<AddressRange> ranges;
    for (auto left = random() % 5; left > 0; --left) {
      const std::size_t family = random() % 2 * 12;
      const std::size_t a = family + random() % 12, b = family + random() % 12;
      ranges.push_back({addresses_[std::min(a, b)], addresses_[std::max(a, b)]});
    }
    return AddressSet(std::move(ranges));
  }

 private:
  std::vector<IpAddress> addresses_;
};

bool is_well_formed(const AddressSet& set) {
  for (std::size_t i = 0; i < set.ranges().size(); ++i) {
    const AddressRange& range = set.ranges()[i];
    if (range.last < range.first || range.first.is_v4() != range.last.is_v4()) return false;
    if (i == 0) continue;
    const AddressRange& before = set.ranges()[i - 1];
    const bool same_family = before.last.is_v4() == range.first.is_v4();
    if (range.first <= before.last) return false;
    if (same_family && before.last.next() == range.first) return false;
  }
  return true;
}

TEST(AddressSetProperty, OperationsAreThoseOfMembership) {
  const Window window;
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const AddressSet a = window.random_set(random), b = window.random_set(random);
    for (const AddressSet& set : {a, b, a | b, a & b, a - b, a.complement()}) {
      ASSERT_TRUE(is_well_formed(set)) << text(a) << " with " << text(b) << ": " << text(set);
    }
    for (const IpAddress& address : window.addresses()) {
      const bool in_a = a.contains(address), in_b = b.contains(address);
      ASSERT_EQ((a | b).contains(address), in_a || in_b) << text(a) << " | " << text(b);
      ASSERT_EQ((a & b).contains(address), in_a && in_b) << text(a) << " & " << text(b);
      ASSERT_EQ((a - b).contains(address), in_a && !in_b) << text(a) << " - " << text(b);
      ASSERT_EQ(a.complement().contains(address), !in_a) << text(a);
    }
  }
}

}  // namespace
}  // namespace ocsproxy::rules
