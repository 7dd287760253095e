#include "listeners/socket_holder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::IsEmpty;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

TEST(SocketTable, rows_of_both_families_are_read) {
  const auto sockets = parse_socket_table(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0A0200C0:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 "
      "812 1 0 100 0 0 10 0\n"
      "   1: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 900 1 0\n"
      "   2: 0000000000000000FFFF00000A0200C0:0050 0000000000000000FFFF00000B0200C0:C001 01 "
      "00000000:00000000 00:00000000 00000000  1000        0 901 1 0\n");
  ASSERT_EQ(sockets.size(), 3u);
  EXPECT_EQ(sockets[0].local, (SocketAddress{ip("192.0.2.10"), 443}));
  EXPECT_TRUE(sockets[0].listening);
  EXPECT_EQ(sockets[0].user, 33u);
  EXPECT_EQ(sockets[0].inode, 812u);
  EXPECT_EQ(sockets[1].local, (SocketAddress{ip("2001:db8::1"), 80}));
  EXPECT_EQ(sockets[2].local, (SocketAddress{ip("192.0.2.10"), 80}));
  EXPECT_FALSE(sockets[2].listening);
}

TEST(SocketTable, rows_that_do_not_read_are_skipped) {
  for (const char* const row :
       {"", "\n\n", "0: 0A0200C0 x 0A", "0: 0A0200C0:01BB 0:0 ZZ 0 0 0 0 0 1",
        "0: 0A0200C0:99999 0:0 0A 0 0 0 0 0 1", "0: XX0200C0:01BB 0:0 0A 0 0 0 0 0 1"}) {
    EXPECT_THAT(parse_socket_table(row), IsEmpty()) << row;
  }
}

struct Collision {
  const char* situation;
  const char* wanted;
  const char* held;
  bool v6_only;
  bool collides;
};
class CollidingSockets : public testing::TestWithParam<Collision> {};

TEST_P(CollidingSockets, are_those_that_a_bind_would_meet) {
  // A port that is free on every address while the test has it.
  const Descriptor holder = test::listen_on({ip(GetParam().held), 0}, false, GetParam().v6_only);
  const std::uint16_t port = local_address(holder.get()).port;
  struct stat info {};
  ASSERT_EQ(::fstat(holder.get(), &info), 0);
  bool found = false;
  for (const HeldSocket& held : colliding_sockets({ip(GetParam().wanted), port})) {
    found = found || held.inode == info.st_ino;
  }
  EXPECT_EQ(found, GetParam().collides);
}

INSTANTIATE_TEST_SUITE_P(
    , CollidingSockets,
    testing::Values(Collision{"same_address", "127.0.0.1", "127.0.0.1", true, true},
                    Collision{"another_address", "127.0.0.2", "127.0.0.1", true, false},
                    Collision{"they_have_the_wildcard", "127.0.0.1", "0.0.0.0", true, true},
                    Collision{"we_want_the_wildcard", "0.0.0.0", "127.0.0.1", true, true},
                    Collision{"both_families_in_one", "127.0.0.1", "::", false, true},
                    Collision{"our_ipv6_leaves_ipv4_alone", "::", "127.0.0.1", true, false},
                    Collision{"their_ipv4_leaves_ipv6_alone", "::1", "0.0.0.0", true, false},
                    Collision{"ipv6_wildcard", "::1", "::", true, true}),
    [](const auto& row) { return row.param.situation; });

TEST(SocketHolder, is_named_with_its_process_and_what_it_is_bound_to) {
  const Descriptor holder = test::listen_on({ip("0.0.0.0"), 0});
  const SocketAddress wanted{ip("127.0.0.1"), local_address(holder.get()).port};
  const auto held = colliding_sockets(wanted);
  ASSERT_FALSE(held.empty());
  EXPECT_EQ(describe_holder(wanted, held.front()), wanted.to_string() + " is held by pid " +
                                                       std::to_string(::getpid()) +
                                                       " (listeners_test), bound to 0.0.0.0");
}

TEST(SocketHolder, that_is_hidden_is_named_by_its_user_and_how_to_find_it) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to hide from nobody";
  Descriptor holder = test::listen_on({test::own_loopback_address(), 443});
  const SocketAddress wanted = local_address(holder.get());
  EXPECT_EQ(test::as_nobody([&] {
              holder.reset();  // the copy of this process
              const auto held = colliding_sockets(wanted);
              const std::string text = held.empty() ? "" : describe_holder(wanted, held.front());
              return text == wanted.to_string() +
                                 " is held by a process of user root (only root can see which: "
                                 "sudo ss -ltnp sport = :443)"
                         ? 0
                         : 1;
            }),
            0);
}

}  // namespace
}  // namespace ocsproxy
