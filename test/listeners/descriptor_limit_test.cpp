#include "listeners/descriptor_limit.h"

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

TEST(DescriptorLimit, is_what_the_system_permits_at_most) {
  test::ChildProcess child([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t permitted = limit.rlim_max;
    limit.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    raise_descriptor_limit();
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == permitted && limit.rlim_max == permitted ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace ocsproxy
