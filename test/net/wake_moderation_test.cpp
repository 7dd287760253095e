#include "net/wake_moderation.h"

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using namespace std::chrono_literals;

struct Pace {
  const char* who;
  std::chrono::microseconds between_looks;
  int events;  // of each look
  bool pays;
};

// After a hundred looks of the same kind.
class WakeModerationTest : public testing::TestWithParam<Pace> {};

TEST_P(WakeModerationTest, a_pause_pays_only_where_much_comes_quickly) {
  WakeModeration moderation;
  std::chrono::nanoseconds now = 1h;
  for (int i = 0; i < 100; ++i)
    moderation.looked(now += GetParam().between_looks, GetParam().events);
  EXPECT_EQ(moderation.pays(), GetParam().pays) << GetParam().who;
}

INSTANTIATE_TEST_SUITE_P(
    Paces, WakeModerationTest,
    testing::Values(Pace{"many clients", 100us, 8, true},
                    Pace{"many clients, each look a crowd", 150us, 200, true},
                    Pace{"many clients, each look after a pause", 700us, 20, true},
                    Pace{"one client that waits for each answer", 60us, 1, false},
                    Pace{"two such clients", 40us, 2, false},
                    Pace{"a few events, not quickly", 400us, 6, false},
                    Pace{"a crowd, now and then", 1500us, 200, false},
                    Pace{"a thousand requests a second", 500us, 1, false},
                    Pace{"idle", 1000000us, 0, false}));

TEST(WakeModeration, does_not_pay_before_anything_is_known) {
  EXPECT_FALSE(WakeModeration().pays());
}

TEST(WakeModeration, ends_soon_after_the_rush) {
  WakeModeration moderation;
  std::chrono::nanoseconds now = 1h;
  for (int i = 0; i < 100; ++i) moderation.looked(now += 50us, 20);
  ASSERT_TRUE(moderation.pays());
  int looks = 0;
  for (; moderation.pays() && looks < 100; ++looks) moderation.looked(now += 1s, 1);
  EXPECT_LE(looks, 3);
}

TEST(WakeModeration, a_long_silence_does_not_delay_its_return) {
  WakeModeration moderation;
  std::chrono::nanoseconds now = 1h;
  moderation.looked(now += 100h, 1);
  int looks = 0;
  for (; !moderation.pays() && looks < 100; ++looks) moderation.looked(now += 50us, 20);
  EXPECT_LE(looks, 30);
}

}  // namespace
}  // namespace ocsproxy
