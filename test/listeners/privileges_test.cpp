#include "listeners/privileges.h"

#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

TEST(Account, named_is_taken) {
  const auto account = find_account("nobody");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->name, "nobody");
  EXPECT_EQ(account->user, ::getpwnam("nobody")->pw_uid);
}

TEST(Account, not_named_is_the_programs_own_or_nobody) {
  const auto account = find_account("");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->name, ::getpwnam("ocsproxy") != nullptr ? "ocsproxy" : "nobody");
}

TEST(Account, that_does_not_exist_or_is_root_is_refused) {
  EXPECT_THAT(find_account("no-such-account").error().detail,
              HasSubstr("there is no account \"no-such-account\""));
  EXPECT_THAT(find_account("root").error().detail, HasSubstr("the account \"root\" is root"));
}

TEST(Privileges, are_gone_and_stay_gone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give it up";
  const Account nobody = *find_account("nobody");
  test::ChildProcess child([&nobody] {
    if (!become(nobody)) return 1;
    if (::setuid(0) == 0 || ::setgid(0) == 0 || ::seteuid(0) == 0) return 2;
    if (::access("/etc/shadow", R_OK) == 0) return 3;
    ::raise(SIGSTOP);  // so that the test can look
    return 0;
  });
  ASSERT_TRUE(test::eventually(
      [&child] { return test::status_field(child.pid(), "State").starts_with("T"); }));
  const std::string user = std::to_string(nobody.user);
  const std::string group = std::to_string(nobody.group);
  const auto status = [&child](const char* name) { return test::status_field(child.pid(), name); };
  EXPECT_EQ(status("Uid"), user + '\t' + user + '\t' + user + '\t' + user);
  EXPECT_EQ(status("Gid"), group + '\t' + group + '\t' + group + '\t' + group);
  EXPECT_EQ(status("Groups"), " ");
  for (const char* const set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(status(set), "0000000000000000") << set;
  }
  EXPECT_EQ(status("NoNewPrivs"), "1");
  child.signal(SIGCONT);
  EXPECT_EQ(child.wait(), 0);
}

TEST(Privileges, memory_is_closed_to_processes_of_the_same_account) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give it up";
  test::ChildProcess child([] {
    if (!become(*find_account("nobody"))) return 1;
    return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST(Privileges, cannot_be_given_up_by_who_has_none) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another";
  const Account other{.name = "other", .user = 12'345, .group = 12'345};
  EXPECT_EQ(test::as_nobody([&other] { return become(other) ? 1 : 0; }), 0);
}

}  // namespace
}  // namespace ocsproxy
