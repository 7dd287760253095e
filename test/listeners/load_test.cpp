#include "listeners/load.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// conf/ on the disk, with what a test wants in it.
class Load : public testing::Test {
 protected:
  Load() {
    std::filesystem::create_directories(folder_.path("conf/certs"));
    for (const char* const name : {"root.pem", "webfarm.pem", "webfarm.key"}) {
      test::write_file(folder_.path(std::string("conf/certs/") + name), name);
    }
  }
  static std::string listener(const SocketAddress& address, const std::string& name = "Web") {
    return "  - name: " + name + "\n    networks: [External]\n    addresses: [" +
           address.ip.to_string() + "]\n    https:\n      port: " + std::to_string(address.port) +
           "\n      certificates: [{chain: certs/webfarm.pem, key: certs/webfarm.key}]\n";
  }
  void configure(const std::string& listeners, const std::string& more = {}) {
    test::write_file(folder_.path("conf/a.yaml"),
                     "trusted_roots: [certs/root.pem]\n" + more + "listeners:\n" + listeners);
  }
  Result<LoadBundle> load(const LoadBundle* last = nullptr) {
    return load_bundle({.path = folder_.path("conf"), .validate = validate_}, last);
  }
  static std::string failure(const Result<LoadBundle>& result) {
    return result ? "" : result.error().detail;
  }

  test::Folder folder_;
  const SocketAddress address_{test::own_loopback_address(), 8443};
  std::function<void(const settings::Loaded&, Files&, Findings&)> validate_;
};

TEST_F(Load, has_the_sockets_the_files_and_the_log) {
  configure(listener(address_), "workers: 3\ndrain: 7s\naccess_log: {path: log/access.log}\n");
  const auto bundle = load();
  ASSERT_TRUE(bundle) << failure(bundle);
  EXPECT_EQ(bundle->summary.workers, 3u);
  EXPECT_EQ(bundle->summary.drain.count(), 7'000);
  EXPECT_EQ(bundle->summary.access_log_path, folder_.path("conf/log/access.log"));
  ASSERT_EQ(bundle->endpoints.size(), 1u);
  EXPECT_EQ(bundle->endpoints[0].address, address_);
  EXPECT_TRUE(bundle->endpoints[0].secure);
  EXPECT_EQ(bundle->endpoints[0].sockets.size(), 3u);
  EXPECT_TRUE(bundle->access_log);
  for (const char* const name : {"root.pem", "webfarm.pem", "webfarm.key"}) {
    EXPECT_EQ(bundle->contents.at(folder_.path(std::string("conf/certs/") + name)), name);
  }
  EXPECT_TRUE(test::connect_to(address_));
}

TEST_F(Load, reads_the_same_from_the_bundle_when_the_disk_is_gone) {
  configure(listener(address_));
  auto bundle = load();
  ASSERT_TRUE(bundle) << failure(bundle);
  std::filesystem::remove_all(folder_.path("conf"));
  MemoryFiles files(bundle->contents, bundle->listings);
  const auto loaded = settings::load(folder_.path("conf"), files);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->findings.has_errors());
  EXPECT_EQ(loaded->settings.listeners.size(), 1u);
}

TEST_F(Load, of_a_path_that_is_not_there_is_unreadable) {
  const auto bundle = load_bundle({.path = folder_.path("nowhere"), .validate = {}}, nullptr);
  ASSERT_FALSE(bundle);
  EXPECT_NE(bundle.error().kind, ErrorKind::malformed);
}

TEST_F(Load, with_errors_reports_all_of_them_and_listens_nowhere) {
  configure(listener(address_) + "    nonsense: 1\n    more: 2\n");
  const auto bundle = load();
  ASSERT_FALSE(bundle);
  EXPECT_EQ(bundle.error().kind, ErrorKind::malformed);
  EXPECT_THAT(failure(bundle), AllOf(HasSubstr("nonsense"), HasSubstr("more")));
  EXPECT_FALSE(test::connect_to(address_));
}

TEST_F(Load, shows_where_the_address_stands_that_is_taken) {
  const SocketAddress taken{test::own_loopback_address(), 8443};
  const Descriptor holder = test::listen_on(taken);
  configure(listener(address_) + listener(taken, "Second"));
  const auto bundle = load();
  ASSERT_FALSE(bundle);
  EXPECT_THAT(failure(bundle), HasSubstr("a.yaml:"));
  EXPECT_THAT(failure(bundle),
              HasSubstr("error: " + taken.to_string() + " is held by pid " +
                        std::to_string(::getpid()) + " (listeners_test) [cannot-listen]"));
  EXPECT_FALSE(test::connect_to(address_));
}

TEST_F(Load, that_is_judged_bad_listens_nowhere) {
  configure(listener(address_));
  validate_ = [](const settings::Loaded& loaded, Files& files, Findings& findings) {
    EXPECT_TRUE(files.read(*loaded.settings.trusted_roots[0]));
    findings.error("certificate-invalid", loaded.settings.listeners[0].where, "it cannot be read");
    findings.warning("certificate-expired", loaded.settings.listeners[0].where, "it has expired");
  };
  const auto bundle = load();
  ASSERT_FALSE(bundle);
  EXPECT_THAT(failure(bundle), AllOf(HasSubstr("it cannot be read"), HasSubstr("it has expired")));
  EXPECT_FALSE(test::connect_to(address_));
}

TEST_F(Load, carries_its_warnings) {
  configure(listener(address_));
  validate_ = [](const settings::Loaded& loaded, Files&, Findings& findings) {
    findings.warning("certificate-expired", loaded.settings.listeners[0].where, "it has expired");
  };
  const auto bundle = load();
  ASSERT_TRUE(bundle) << failure(bundle);
  EXPECT_THAT(bundle->summary.findings, HasSubstr("warning: it has expired [certificate-expired]"));
}

TEST_F(Load, whose_log_cannot_be_opened_says_so_and_listens_nowhere) {
  test::write_file(folder_.path("conf/log"), "");
  configure(listener(address_), "access_log: {path: log/access.log}\n");
  const auto bundle = load();
  EXPECT_THAT(failure(bundle), HasSubstr("cannot open the access log"));
  EXPECT_THAT(failure(bundle), HasSubstr("[cannot-open-log]"));
  EXPECT_FALSE(test::connect_to(address_));
}

TEST_F(Load, keeps_the_sockets_of_unchanged_addresses_and_the_number_of_workers) {
  configure(listener(address_), "workers: 2\n");
  const auto first = load();
  ASSERT_TRUE(first) << failure(first);
  const SocketAddress added{test::own_loopback_address(), 8443};
  configure(listener(added, "New") + listener(address_), "workers: 5\n");
  const auto second = load(&*first);
  ASSERT_TRUE(second) << failure(second);
  EXPECT_EQ(second->summary.workers, 2u);
  EXPECT_THAT(second->summary.findings,
              HasSubstr("2 workers run until the next restart [workers-fixed]"));
  ASSERT_EQ(second->endpoints.size(), 2u);
  EXPECT_EQ(second->endpoints[0].sockets.size(), 2u);
  std::vector<BoundEndpoint> kept;
  kept.push_back({.address = address_, .sockets = {}});
  for (const Descriptor& socket : second->endpoints[1].sockets) {
    kept[0].sockets.emplace_back(::dup(socket.get()));
  }
  EXPECT_EQ(socket_inodes(kept), socket_inodes(first->endpoints));
  EXPECT_EQ(second->endpoints[1].listener, 1u);
}

TEST_F(Load, may_go_from_one_address_to_the_wildcard_and_back) {
  Descriptor free = test::listen_on({*IpAddress::parse("0.0.0.0"), 0});
  const SocketAddress one{address_.ip, local_address(free.get()).port};
  const SocketAddress all{*IpAddress::parse("0.0.0.0"), one.port};
  free.reset();
  configure(listener(one));
  auto first = load();
  ASSERT_TRUE(first) << failure(first);
  configure(listener(all));
  auto second = load(&*first);
  ASSERT_TRUE(second) << failure(second);
  first = Error{};
  configure(listener(one));
  const auto third = load(&*second);
  EXPECT_TRUE(third) << failure(third);
}

}  // namespace
}  // namespace ocsproxy
