#include "listeners/supervisor.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"
#include "stand_in_server.h"

namespace ocsproxy {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::eventually;
using testing::HasSubstr;
using testing::Not;

// A supervisor with its children, as processes of their own.
class Supervised : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }

  void configure(const std::string& more) {
    test::write_file(conf_, "listen " + address_.ip.to_string() + " 443\n" + more);
  }
  void start() {
    supervisor_.emplace([this] {
      const Descriptor file(
          ::open(log_path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
      options_.load = test::stand_in_load(conf_);
      options_.serve = test::stand_in_serve;
      return run_supervisor(options_, Log(file.get()));
    });
  }
  void start_and_serve(const std::string& more = {}) {
    configure("generation 1\n" + more);
    start();
    ASSERT_TRUE(serves("1")) << log();
  }
  bool serves(const std::string& generation) {
    return eventually([&] { return ask(address_, "generation") == generation; });
  }
  pid_t server() { return static_cast<pid_t>(std::stoi('0' + ask(address_, "pid"))); }
  void reload() { supervisor_->signal(SIGHUP); }
  std::string log() const { return test::read_file(log_path_); }
  bool logs(const std::string& text) {
    return eventually([&] { return log().find(text) != std::string::npos; });
  }
  // The exit status, or -1 when it did not exit by itself.
  int end(std::chrono::milliseconds limit = 20s) {
    const auto status = supervisor_->wait(limit);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }
  int stop() {
    supervisor_->signal(SIGTERM);
    return end();
  }

  test::Folder folder_;
  const std::string conf_ = folder_.path("conf");
  const std::string log_path_ = folder_.path("program.log");
  const SocketAddress address_{test::own_loopback_address(), 443};
  SupervisorOptions options_{.load = {},
                             .serve = {},
                             .user = "nobody",
                             .first_back_off = 20ms,
                             .longest_back_off = 200ms,
                             .drain_grace = 200ms};
  std::optional<test::ChildProcess> supervisor_;
};

// ---- two processes

TEST_F(Supervised, server_has_no_privilege) {
  start_and_serve();
  const pid_t pid = server();
  const std::string user = std::to_string(::getpwnam("nobody")->pw_uid);
  EXPECT_NE(pid, supervisor_->pid());
  EXPECT_EQ(test::status_field(pid, "PPid"), std::to_string(supervisor_->pid()));
  EXPECT_EQ(test::status_field(pid, "Uid"), user + '\t' + user + '\t' + user + '\t' + user);
  EXPECT_EQ(test::status_field(pid, "Groups"), " ");
  for (const char* const set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(test::status_field(pid, set), "0000000000000000") << set;
  }
  EXPECT_EQ(test::status_field(pid, "NoNewPrivs"), "1");
  EXPECT_EQ(ask(address_, "drop"), "dropped");
  EXPECT_EQ(stop(), 0);
}

TEST_F(Supervised, server_gets_a_key_that_only_root_can_read) {
  const std::string key = folder_.path("webfarm.key");
  test::write_file(key, "secret");
  ASSERT_EQ(::chmod(key.c_str(), 0600), 0);
  // Its folder is open to all, so that it is the file's own mode that keeps the server out.
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  start_and_serve("key " + key);
  EXPECT_EQ(ask(address_, "key"), "secret");
  EXPECT_EQ(ask(address_, "open-key"), "Permission denied");
}

TEST_F(Supervised, server_holds_no_descriptor_of_the_supervisor) {
  start_and_serve("workers 2\nlog " + folder_.path("access.log"));
  std::size_t sockets = 0;
  const std::string folder = "/proc/" + std::to_string(server()) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    EXPECT_THAT(target, Not(HasSubstr("signalfd")));
    sockets += target.starts_with("socket:") ? 1 : 0;
  }
  EXPECT_EQ(ask(address_, "sockets"), "2");
  // Two that listen and one to the supervisor. Another might be a client of this moment.
  EXPECT_GE(sockets, 3u);
  EXPECT_LE(sockets, 4u);
}

TEST_F(Supervised, loader_is_gone_after_the_load) {
  start_and_serve();
  const std::string children = "/proc/" + std::to_string(supervisor_->pid()) + "/task/" +
                               std::to_string(supervisor_->pid()) + "/children";
  EXPECT_TRUE(eventually([&] {
    return test::read_file(children) == std::to_string(server()) + ' ';
  })) << test::read_file(children);
}

TEST_F(Supervised, account_that_is_root_is_refused) {
  options_.user = "root";
  configure("generation 1");
  start();
  EXPECT_EQ(end(), 2);
  EXPECT_THAT(log(), HasSubstr("the account \"root\" is root"));
}

// ---- death

TEST_F(Supervised, server_that_is_killed_is_started_again) {
  start_and_serve();
  const pid_t first = server();
  ::kill(first, SIGKILL);
  ASSERT_TRUE(serves("1"));
  EXPECT_NE(server(), first);
  EXPECT_THAT(log(), HasSubstr("error: the server (pid " + std::to_string(first) +
                               ") was killed by signal 9 (Killed)"));
  EXPECT_THAT(log(), HasSubstr("the server is started again in 20ms"));
}

TEST_F(Supervised, client_that_comes_between_two_servers_is_served_from_the_queue) {
  options_.first_back_off = 500ms;
  start_and_serve();
  const pid_t first = server();
  ::kill(first, SIGKILL);
  ASSERT_TRUE(eventually([&] { return !test::process_exists(first); }));
  const Descriptor client = test::connect_to(address_);
  ASSERT_TRUE(client);
  EXPECT_EQ(test::converse(client, "generation"), "1");
}

TEST_F(Supervised, server_that_dies_again_and_again_is_started_ever_more_slowly) {
  start_and_serve();
  for (const char* const wait : {"20ms", "40ms", "80ms", "160ms", "200ms"}) {
    ASSERT_TRUE(serves("1"));
    ask(address_, "die");
    EXPECT_TRUE(logs(std::string("the server is started again in ") + wait)) << log();
  }
}

TEST_F(Supervised, server_that_lived_long_is_started_again_soon) {
  options_.calm = 0ms;
  start_and_serve();
  for (int i = 0; i < 3; ++i) {
    ask(address_, "die");
    ASSERT_TRUE(serves("1"));
  }
  EXPECT_THAT(log(), Not(HasSubstr("started again in 40ms")));
}

TEST_F(Supervised, load_from_which_the_first_server_dies_each_time_is_given_up) {
  configure("server-dies");
  start();
  EXPECT_EQ(end(), 1);
  EXPECT_THAT(log(), HasSubstr("each time before it served anything; giving up"));
}

TEST_F(Supervised, load_from_which_a_later_server_dies_is_taken_back) {
  start_and_serve();
  configure("generation 2\nserver-dies");
  reload();
  EXPECT_TRUE(logs("when it took over the new configuration; the one before stays in force"));
  EXPECT_TRUE(serves("1"));
}

TEST_F(Supervised, server_ends_with_the_supervisor) {
  start_and_serve();
  const pid_t pid = server();
  supervisor_->signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return !test::process_exists(pid); }));
  // The loader may live a moment longer, with the sockets that it bound.
  EXPECT_TRUE(eventually([&] { return !test::connect_to(address_); }));
}

// ---- reload

TEST_F(Supervised, reload_is_served_by_the_same_process_and_the_same_sockets) {
  start_and_serve();
  const pid_t pid = server();
  configure("generation 2");
  reload();
  EXPECT_TRUE(serves("2"));
  EXPECT_EQ(server(), pid);
}

TEST_F(Supervised, reload_binds_a_new_privileged_port_and_closes_an_old_one) {
  start_and_serve();
  const SocketAddress another{test::own_loopback_address(), 80};
  const auto open = [](const SocketAddress& address) {
    return static_cast<bool>(test::connect_to(address));
  };
  EXPECT_FALSE(open(another));
  configure("generation 2\nlisten " + another.ip.to_string() + " 80\n");
  reload();
  ASSERT_TRUE(serves("2")) << log();
  EXPECT_EQ(ask(another, "generation"), "2");
  configure("generation 3");
  reload();
  ASSERT_TRUE(serves("3"));
  EXPECT_TRUE(eventually([&] { return !open(another); }));
}

TEST_F(Supervised, reload_that_fails_changes_nothing_and_says_why) {
  start_and_serve();
  for (const char* const fault : {"fail 3 errors", "unreadable", "loader-dies"}) {
    configure(std::string("generation 2\n") + fault);
    reload();
    ASSERT_TRUE(logs(fault == std::string("fail 3 errors") ? "stays in force:\n    3 errors"
                     : fault == std::string("unreadable")
                         ? "stays in force:\n    cannot read it"
                         : "stays in force:\n    the loader was killed by signal 9"))
        << log();
    EXPECT_TRUE(serves("1"));
  }
}

TEST_F(Supervised, reload_onto_an_address_that_is_taken_names_the_holder) {
  start_and_serve();
  const SocketAddress taken{test::own_loopback_address(), 80};
  const Descriptor holder = test::listen_on(taken);
  configure("generation 2\nlisten " + taken.ip.to_string() + " 80\n");
  reload();
  EXPECT_TRUE(logs(taken.to_string() + " is held by pid " + std::to_string(::getpid()))) << log();
  EXPECT_TRUE(serves("1"));
}

TEST_F(Supervised, reload_that_the_server_refuses_is_taken_back_with_its_sockets) {
  start_and_serve();
  const SocketAddress another{test::own_loopback_address(), 80};
  configure("generation 2\nrefuse no memory\nlisten " + another.ip.to_string() + " 80\n");
  reload();
  ASSERT_TRUE(logs("stays in force:\n    no memory")) << log();
  EXPECT_TRUE(eventually([&] { return !test::connect_to(another); }));
  EXPECT_TRUE(serves("1"));
  ask(address_, "die");
  EXPECT_TRUE(serves("1"));
}

TEST_F(Supervised, reload_that_hangs_is_given_up) {
  options_.load_at_most = 300ms;
  start_and_serve();
  configure("generation 2\nloader-hangs");
  reload();
  EXPECT_TRUE(logs("was given up after 300ms"));
  EXPECT_TRUE(serves("1"));
  configure("generation 3");
  reload();
  EXPECT_TRUE(serves("3"));
}

TEST_F(Supervised, reload_is_all_that_the_server_may_ask_for) {
  start_and_serve();
  configure("generation 2");
  EXPECT_EQ(ask(address_, "reload"), "done");
  EXPECT_TRUE(serves("2"));
}

TEST_F(Supervised, many_reloads_in_a_row_end_with_the_last) {
  start_and_serve();
  for (int i = 2; i <= 30; ++i) {
    configure("generation " + std::to_string(i));
    reload();
  }
  EXPECT_TRUE(serves("30"));
  const std::string folder = "/proc/" + std::to_string(supervisor_->pid()) + "/fd";
  std::size_t descriptors = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++descriptors;
  }
  EXPECT_LT(descriptors, 20u);
}

TEST_F(Supervised, reload_brings_a_dead_server_back_without_waiting) {
  options_.first_back_off = 60s;
  start_and_serve();
  ask(address_, "die");
  ASSERT_TRUE(logs("started again in"));
  configure("generation 2");
  reload();
  EXPECT_TRUE(serves("2"));
}

// ---- the first load

TEST_F(Supervised, first_load_with_errors_ends_with_status_1) {
  configure("fail conf/rules.yaml:3:1: error");
  start();
  EXPECT_EQ(end(), 1);
  EXPECT_THAT(log(), HasSubstr("conf/rules.yaml:3:1: error"));
}

TEST_F(Supervised, first_load_that_cannot_be_read_ends_with_status_2) {
  configure("unreadable");
  start();
  EXPECT_EQ(end(), 2);
}

TEST_F(Supervised, first_load_that_the_server_refuses_ends_with_status_1) {
  configure("refuse no such cipher");
  start();
  EXPECT_EQ(end(), 1);
  EXPECT_THAT(log(), HasSubstr("the configuration cannot be served:\n    no such cipher"));
}

TEST_F(Supervised, warnings_of_a_load_are_logged) {
  start_and_serve("warn the certificate expires in 7 days");
  EXPECT_THAT(log(), HasSubstr("warning: the certificate expires in 7 days"));
}

TEST_F(Supervised, load_that_no_server_took_does_not_stand_in_the_way_of_the_next) {
  options_.first_back_off = 60s;
  configure("generation 1\nserver-dies");
  start();
  ASSERT_TRUE(logs("started again in"));
  configure("generation 2");
  reload();
  EXPECT_TRUE(serves("2")) << log();
}

// ---- the log

TEST_F(Supervised, log_is_opened_again_by_root_for_the_server_and_its_successor) {
  const std::string path = folder_.path("access.log");
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);  // the server itself cannot get in
  start_and_serve("log " + path);
  ask(address_, "log one");
  std::filesystem::rename(path, path + ".1");
  supervisor_->signal(SIGUSR1);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(path); }));
  ASSERT_TRUE(eventually([&] {
    ask(address_, "log two");
    return test::read_file(path).starts_with("two\n");
  }));
  ask(address_, "die");
  ASSERT_TRUE(serves("1"));
  ask(address_, "log three");
  EXPECT_TRUE(test::read_file(path).ends_with("three\n"));
  EXPECT_TRUE(test::read_file(path + ".1").starts_with("one\n"));
}

// ---- the end

TEST_F(Supervised, sigterm_drains_the_server_and_ends_with_status_0) {
  for (const int number : {SIGTERM, SIGINT}) {
    start_and_serve();
    const pid_t pid = server();
    supervisor_->signal(number);
    EXPECT_EQ(end(), 0);
    EXPECT_FALSE(test::process_exists(pid));
    EXPECT_FALSE(test::connect_to(address_));
    EXPECT_THAT(log(), Not(HasSubstr("error")));
  }
}

TEST_F(Supervised, drain_leaves_the_server_its_time_and_a_second_sigterm_does_not) {
  start_and_serve("lingers\ndrain 60000");
  const pid_t pid = server();
  supervisor_->signal(SIGTERM);
  EXPECT_EQ(end(300ms), -1);
  EXPECT_TRUE(test::process_exists(pid));
  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(test::process_exists(pid));
}

TEST_F(Supervised, third_sigterm_kills_a_server_that_does_not_end) {
  options_.drain_grace = 60s;
  start_and_serve("stays\ndrain 60000");
  const pid_t pid = server();
  for (int i = 0; i < 2; ++i) {
    supervisor_->signal(SIGTERM);
    EXPECT_EQ(end(300ms), -1);
  }
  EXPECT_EQ(stop(), 1);
  EXPECT_FALSE(test::process_exists(pid));
}

TEST_F(Supervised, drain_that_takes_too_long_is_ended) {
  start_and_serve("lingers\ndrain 100");
  const pid_t pid = server();
  EXPECT_EQ(stop(), 1);
  EXPECT_THAT(log(), HasSubstr("has not ended within its drain and is killed"));
  EXPECT_FALSE(test::process_exists(pid));
}

// A terminal sends Ctrl-C to both, and some service managers their signals.
TEST_F(Supervised, signals_to_the_server_itself_are_the_supervisors_to_take) {
  start_and_serve();
  const pid_t pid = server();
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE}) ::kill(pid, number);
  EXPECT_TRUE(serves("1"));
  EXPECT_EQ(server(), pid);
}

TEST_F(Supervised, supervisor_that_is_stopped_while_no_server_lives_ends_at_once) {
  options_.first_back_off = 60s;
  start_and_serve();
  ask(address_, "die");
  ASSERT_TRUE(logs("started again in"));
  EXPECT_EQ(stop(), 0);
}

TEST_F(Supervised, supervisor_that_is_stopped_during_a_load_ends_at_once) {
  configure("loader-hangs");
  start();
  const std::string children = "/proc/" + std::to_string(supervisor_->pid()) + "/task/" +
                               std::to_string(supervisor_->pid()) + "/children";
  ASSERT_TRUE(eventually([&] { return !test::read_file(children).empty(); }));
  const pid_t loader = static_cast<pid_t>(std::stoi(test::read_file(children)));
  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(test::process_exists(loader));
}

}  // namespace
}  // namespace ocsproxy
