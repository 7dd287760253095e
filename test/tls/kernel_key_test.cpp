// How long the kernel seals with one key of TLS 1.3, which it cannot change. Needs a kernel that
// has TLS; test/e2e/test_kernel_tls.py brings one.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "bare_peer.h"

namespace ocsproxy {
namespace {

constexpr std::size_t kFull = RecordProtection::kLargestContent;

class KernelKey : public Records {
 protected:
  KernelKey() : Records(offered()) {}
  static const KernelTls& offered() {
    static const KernelTls kFound = KernelTls::detect();
    return kFound;
  }
  void SetUp() override {
    if (!offered().anything()) GTEST_SKIP() << offered().to_string();
    shared_.records_per_key = 64;
    Records::SetUp();
  }
  void join(int (&fds)[2]) override {
    const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), name, size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ASSERT_EQ(::getsockname(listener.get(), name, &size), 0);
    fds[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(fds[0], name, size), 0);
    fds[1] = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ASSERT_EQ(::fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  }
  void send(std::size_t records) {
    const std::string data = pattern(records * kFull);
    std::string got = from_ours(data);
    // What TCP was given may still be under way.
    for (int round = 0; round < 10'000 && got.size() < data.size(); ++round) {
      turn();
      got += bare_->read();
    }
    ASSERT_TRUE(same(got, data));
  }
};

INSTANTIATE_TEST_SUITE_P(Suites, KernelKey, testing::ValuesIn(kWays),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(KernelKey, is_worn_by_what_we_have_sealed_before_too) {
  send(20);
  stream_->expect_to_send(kFull);
  ASSERT_EQ(stream_->kernel_part(), KernelPart::sending);
  send(9);
  EXPECT_FALSE(stream_->worn());
  send(4);
  EXPECT_TRUE(stream_->worn());
}

TEST_P(KernelKey, stays_ours_when_half_of_its_records_are_sealed) {
  send(33);
  stream_->expect_to_send(1);
  EXPECT_EQ(stream_->kernel_part(), KernelPart::none);
  EXPECT_FALSE(stream_->worn());
  send(40);  // with a new one in between
}

TEST_P(KernelKey, stays_ours_for_a_body_that_it_might_not_last_for) {
  stream_->expect_to_send(33 * kFull);
  EXPECT_EQ(stream_->kernel_part(), KernelPart::none);
}

TEST_P(KernelKey, never_seals_more_than_it_may) {
  stream_->expect_to_send(kFull);
  ASSERT_EQ(stream_->kernel_part(), KernelPart::sending);
  IoStatus status = IoStatus::would_block;
  Task<> task = write_ours(stream_.get(), pattern(70 * kFull), "", &status);
  task.start();
  for (int round = 0; round < 10'000 && !task.done(); ++round) {
    turn();
    bare_->read();
  }
  EXPECT_EQ(status, IoStatus::failed);
  EXPECT_TRUE(stream_->error().detail.starts_with("the kernel cannot change the TLS key"));
}

}  // namespace
}  // namespace ocsproxy
