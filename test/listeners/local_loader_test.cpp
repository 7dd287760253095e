#include "listeners/local_loader.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "listeners/access_log_file.h"
#include "scratch.h"
#include "stand_in_server.h"

namespace ocsproxy {
namespace {

using namespace std::chrono_literals;
using test::ask;
using testing::HasSubstr;
using Kind = ControlMessage::Kind;

// In this process, message by message.
class LocalLoaderTest : public testing::Test {
 protected:
  LocalLoaderTest() {
    const Descriptor file(*open_access_log(folder_.path("program.log")));
    ::dup3(file.get(), log_file_.get(), 0);
  }
  // The loader blocks signals, and what was sent to a test must not reach the next.
  ~LocalLoaderTest() override {
    loader_.reset();
    timespec none{};
    sigset_t taken;
    sigemptyset(&taken);
    for (const int one : {SIGHUP, SIGUSR1, SIGTERM, SIGINT}) sigaddset(&taken, one);
    while (::sigtimedwait(&taken, nullptr, &none) > 0) {
    }
    ::pthread_sigmask(SIG_UNBLOCK, &taken, nullptr);
  }

  void configure(const std::string& more) {
    test::write_file(conf_, "listen " + address_.ip.to_string() + " 8443\n" + more);
  }
  void start() {
    auto started = LocalLoader::start(test::stand_in_load(conf_), log_);
    ASSERT_TRUE(started) << started.error().detail;
    loader_ = *std::move(started);
  }
  bool readable() const {
    pollfd wait{loader_->descriptor(), POLLIN, 0};
    return ::poll(&wait, 1, 0) == 1;
  }
  std::optional<ControlMessage> receive() { return *loader_->receive(); }
  std::string program_log() const { return test::read_file(folder_.path("program.log")); }

  test::Folder folder_;
  const std::string conf_ = folder_.path("conf");
  const SocketAddress address_{test::own_loopback_address(), 8443};
  const Descriptor log_file_{::dup(STDERR_FILENO)};
  const Log log_{log_file_.get()};
  std::unique_ptr<LocalLoader> loader_;
};

TEST_F(LocalLoaderTest, gives_the_first_load_at_once_and_then_nothing) {
  configure("generation 1");
  start();
  EXPECT_TRUE(readable());
  auto message = receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::bundle);
  ASSERT_EQ(message->bundle.endpoints.size(), 1u);
  EXPECT_TRUE(test::connect_to(address_));
  loader_->accepted();
  EXPECT_FALSE(receive());
  EXPECT_FALSE(readable());
}

TEST_F(LocalLoaderTest, does_not_start_from_a_load_that_fails) {
  configure("fail this is wrong");
  const auto started = LocalLoader::start(test::stand_in_load(conf_), log_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::malformed);
  EXPECT_EQ(started.error().detail, "this is wrong");
}

TEST_F(LocalLoaderTest, loads_again_on_sighup_and_keeps_the_sockets_that_did_not_change) {
  configure("generation 1");
  start();
  const auto first = receive();
  loader_->accepted();
  const auto inodes = socket_inodes(first->bundle.endpoints);
  configure("generation 2");
  ::raise(SIGHUP);
  EXPECT_TRUE(readable());
  const auto second = receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->kind, Kind::bundle);
  EXPECT_EQ(socket_inodes(second->bundle.endpoints), inodes);
  EXPECT_THAT(second->bundle.contents.begin()->second, HasSubstr("generation 2"));
}

TEST_F(LocalLoaderTest, holds_the_next_load_back_until_the_one_before_is_answered) {
  configure("generation 1");
  start();
  ASSERT_TRUE(receive());
  ::raise(SIGHUP);
  EXPECT_FALSE(receive());
  loader_->accepted();
  EXPECT_TRUE(readable());
  EXPECT_TRUE(receive());
}

TEST_F(LocalLoaderTest, says_why_a_later_load_failed_and_gives_nothing) {
  configure("generation 1");
  start();
  ASSERT_TRUE(receive());
  loader_->accepted();
  configure("fail line one\n");
  ::raise(SIGHUP);
  EXPECT_FALSE(receive());
  EXPECT_THAT(program_log(), HasSubstr("the configuration was not loaded, the one before stays in "
                                       "force:\n    line one"));
}

TEST_F(LocalLoaderTest, forgets_a_load_that_the_server_refused) {
  configure("generation 1");
  start();
  ASSERT_TRUE(receive());
  loader_->accepted();
  const SocketAddress another{test::own_loopback_address(), 8443};
  configure("listen " + another.ip.to_string() + " 8443\n");
  ::raise(SIGHUP);
  {
    const auto offered = receive();
    ASSERT_TRUE(offered);
    EXPECT_TRUE(test::connect_to(another));
    loader_->refused("no memory");
  }
  EXPECT_FALSE(test::connect_to(another));
  EXPECT_TRUE(test::connect_to(address_));
  EXPECT_THAT(program_log(), HasSubstr("stays in force:\n    no memory"));
}

TEST_F(LocalLoaderTest, logs_the_warnings_of_a_load) {
  configure("warn the certificate expires in 7 days");
  start();
  ASSERT_TRUE(receive());
  EXPECT_THAT(program_log(), HasSubstr("warning: the certificate expires in 7 days"));
}

TEST_F(LocalLoaderTest, opens_the_log_again_on_sigusr1) {
  const std::string path = folder_.path("access.log");
  configure("log " + path);
  start();
  ASSERT_TRUE(receive());
  loader_->accepted();
  std::filesystem::rename(path, path + ".1");
  ::raise(SIGUSR1);
  const auto message = receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::reopen_log);
  ASSERT_EQ(::write(message->access_log.get(), "x", 1), 1);
  EXPECT_EQ(test::read_file(path), "x");
}

TEST_F(LocalLoaderTest, drains_once_for_each_sigterm_before_anything_else) {
  configure("generation 1");
  start();
  ::raise(SIGHUP);
  ::raise(SIGTERM);
  const auto message = receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::drain);
  ::raise(SIGINT);
  const auto again = receive();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->kind, Kind::drain);
}

TEST_F(LocalLoaderTest, loads_again_when_the_server_asks) {
  configure("generation 1");
  start();
  ASSERT_TRUE(receive());
  loader_->accepted();
  (void)receive();
  loader_->request_reload();
  EXPECT_TRUE(readable());
  const auto message = receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::bundle);
}

// ---- as a process, without root

class UnprivilegedServer : public LocalLoaderTest {
 protected:
  int serve() {
    auto control = LocalLoader::start(test::stand_in_load(conf_), log_);
    if (!control) return 1;
    return test::stand_in_serve(**control);
  }
};

TEST_F(UnprivilegedServer, serves_reloads_and_drains_in_one_process) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become nobody";
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(folder_.path("program.log"), std::filesystem::perms::all);
  configure("generation 1");
  EXPECT_EQ(test::as_nobody([this] {
              test::ChildProcess server([this] { return serve(); });
              const auto answers = [this](const char* generation) {
                return test::eventually([&] { return ask(address_, "generation") == generation; });
              };
              if (!answers("1")) return 2;
              if (ask(address_, "pid") != std::to_string(server.pid())) return 3;
              configure("generation 2");
              server.signal(SIGHUP);
              if (!answers("2")) return 4;
              configure("generation 3\nlisten 127.0.0.1 80\n");  // not for nobody
              server.signal(SIGHUP);
              if (!test::eventually([&] {
                    return program_log().find("ports below 1024 need privilege") !=
                           std::string::npos;
                  })) {
                return 5;
              }
              if (!answers("2")) return 6;
              server.signal(SIGTERM);
              return server.wait() == 0 ? 0 : 7;
            }),
            0);
}

}  // namespace
}  // namespace ocsproxy
