#include "listeners/endpoint.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

std::string failure(const Status& status) { return status ? "" : status.error().detail; }

int option(const Descriptor& socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(socket.get(), level, name, &value, &size);
  return value;
}

class BindEndpoint : public testing::Test {
 protected:
  SocketAddress address_{test::own_loopback_address(), 8443};
  Endpoint endpoint_{.address = address_};
  std::set<ino_t> nothing_;
};

TEST_F(BindEndpoint, gives_each_worker_a_socket_that_listens_and_does_not_block) {
  const auto sockets = bind_endpoint(endpoint_, 3, nothing_);
  ASSERT_TRUE(sockets) << sockets.error().detail;
  ASSERT_EQ(sockets->size(), 3u);
  for (const Descriptor& socket : *sockets) {
    EXPECT_EQ(local_address(socket.get()), address_);
    EXPECT_EQ(option(socket, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(option(socket, SOL_SOCKET, SO_REUSEPORT), 1);
    EXPECT_NE(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_TRUE(test::connect_to(address_));
}

TEST_F(BindEndpoint, leaves_ipv4_alone_when_it_binds_ipv6) {
  const Descriptor other = test::listen_on({ip("0.0.0.0"), 0});
  const std::uint16_t port = local_address(other.get()).port;
  const auto sockets = bind_endpoint({.address = {ip("::"), port}}, 1, nothing_);
  ASSERT_TRUE(sockets) << sockets.error().detail;
  EXPECT_EQ(option(sockets->front(), IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

TEST_F(BindEndpoint, takes_the_wildcard_addresses) {
  Descriptor free = test::listen_on({ip("127.0.0.1"), 0});
  const std::uint16_t port = local_address(free.get()).port;
  free.reset();
  EXPECT_TRUE(bind_endpoint({.address = {ip("0.0.0.0"), port}}, 2, nothing_));
}

// With SO_REUSEPORT alone, a second process of the same user would get a share of the connections.
TEST_F(BindEndpoint, does_not_share_with_another_process_that_would_share) {
  const Descriptor other = test::listen_on(address_, true);
  const std::string holder =
      address_.to_string() + " is held by pid " + std::to_string(::getpid()) + " (listeners_test)";
  EXPECT_EQ(failure(probe_endpoint(endpoint_, nothing_)), holder);
  const auto sockets = bind_endpoint(endpoint_, 2, nothing_);
  ASSERT_FALSE(sockets);
  EXPECT_EQ(sockets.error().detail, holder);
}

TEST_F(BindEndpoint, names_a_holder_of_the_wildcard) {
  const Descriptor other = test::listen_on({ip("0.0.0.0"), 0});
  endpoint_.address.port = local_address(other.get()).port;
  EXPECT_EQ(failure(probe_endpoint(endpoint_, nothing_)),
            endpoint_.address.to_string() + " is held by pid " + std::to_string(::getpid()) +
                " (listeners_test), bound to 0.0.0.0");
}

TEST_F(BindEndpoint, is_not_in_the_way_of_itself) {
  auto first = bind_endpoint(endpoint_, 1, nothing_);
  ASSERT_TRUE(first);
  std::vector<BoundEndpoint> held;
  held.push_back({.address = address_, .sockets = *std::move(first)});
  const auto own = socket_inodes(held);
  EXPECT_EQ(own.size(), 1u);
  EXPECT_FALSE(bind_endpoint({.address = {ip("0.0.0.0"), address_.port}}, 1, nothing_));
  EXPECT_TRUE(bind_endpoint({.address = {ip("0.0.0.0"), address_.port}}, 1, own));
}

TEST_F(BindEndpoint, sees_the_other_holder_behind_itself) {
  auto first = bind_endpoint(endpoint_, 1, nothing_);
  ASSERT_TRUE(first);
  std::vector<BoundEndpoint> held;
  held.push_back({.address = address_, .sockets = *std::move(first)});
  const IpAddress another = test::own_loopback_address();
  const Descriptor other = test::listen_on({another, address_.port}, true);
  EXPECT_THAT(
      failure(probe_endpoint({.address = {ip("0.0.0.0"), address_.port}}, socket_inodes(held))),
      HasSubstr(", bound to " + another.to_string()));
}

TEST_F(BindEndpoint, is_not_stopped_by_connections_that_wait_out_their_time) {
  {
    const auto sockets = bind_endpoint(endpoint_, 1, nothing_);
    ASSERT_TRUE(sockets);
    const Descriptor client = test::connect_to(address_);
    const Descriptor server(::accept(sockets->front().get(), nullptr, nullptr));
    ASSERT_EQ(::shutdown(server.get(), SHUT_RDWR), 0);  // the side that ends first waits
  }
  EXPECT_EQ(failure(probe_endpoint(endpoint_, nothing_)), "");
}

TEST_F(BindEndpoint, lists_the_nics_when_the_address_is_on_none) {
  endpoint_.address.ip = ip("192.0.2.77");
  const std::string text = failure(probe_endpoint(endpoint_, nothing_));
  EXPECT_THAT(text, HasSubstr("192.0.2.77 is on no NIC of this machine; the NICs have: "));
  EXPECT_THAT(text, HasSubstr("lo 127.0.0.1"));
  EXPECT_THAT(text, HasSubstr("`freebind: true`"));
}

TEST_F(BindEndpoint, binds_an_address_of_no_nic_when_it_may) {
  for (const char* const standby : {"192.0.2.77", "2001:db8::77"}) {
    const auto sockets =
        bind_endpoint({.address = {ip(standby), 8443}, .freebind = true}, 1, nothing_);
    ASSERT_TRUE(sockets) << sockets.error().detail;
    EXPECT_EQ(local_address(sockets->front().get()).ip, ip(standby));
  }
}

TEST_F(BindEndpoint, says_what_a_low_port_needs) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become nobody";
  endpoint_.address.port = 443;
  EXPECT_EQ(test::as_nobody([this] {
              const std::string text = failure(probe_endpoint(endpoint_, nothing_));
              return text.find("ports below 1024 need privilege; start ocsproxy as root") !=
                             std::string::npos
                         ? 0
                         : 1;
            }),
            0);
}

// ---- from settings to endpoints

const std::vector<Interface> kInterfaces = {
    {.name = "eth1",
     .up = true,
     .addresses = {ip("203.0.113.10"), ip("fe80::1"), ip("2001:db8::1")}},
    {.name = "eth2", .up = true, .addresses = {}},
};

settings::Listener listener(const char* name) {
  settings::Listener one;
  one.name.value = name;
  return one;
}

std::vector<std::string> codes(const Findings& findings) {
  std::vector<std::string> all;
  for (const Finding& finding : findings.all()) all.emplace_back(finding.code);
  return all;
}

TEST(Endpoints, are_every_address_with_every_port) {
  settings::Settings settings;
  settings.listeners.push_back(listener("A"));
  settings.listeners.back().addresses = {{ip("203.0.113.10"), {}}, {ip("::"), {}}};
  settings.listeners.back().http.emplace();
  settings.listeners.back().https.emplace().port.value = 8443;
  Findings findings;
  const auto endpoints = endpoints_of(settings, kInterfaces, findings);
  EXPECT_THAT(findings.all(), IsEmpty());
  ASSERT_EQ(endpoints.size(), 4u);
  EXPECT_EQ(endpoints[0].address, (SocketAddress{ip("203.0.113.10"), 80}));
  EXPECT_FALSE(endpoints[0].secure);
  EXPECT_EQ(endpoints[1].address, (SocketAddress{ip("203.0.113.10"), 8443}));
  EXPECT_TRUE(endpoints[1].secure);
  EXPECT_EQ(endpoints[3].address, (SocketAddress{ip("::"), 8443}));
}

TEST(Endpoints, of_an_interface_are_its_addresses) {
  settings::Settings settings;
  settings.listeners.push_back(listener("A"));
  settings.listeners.push_back(listener("B"));
  settings.listeners[0].addresses = {{ip("203.0.113.11"), {}}};
  settings.listeners[1].interface.value = "eth1";
  settings.listeners[1].freebind = true;
  for (auto& one : settings.listeners) one.https.emplace();
  Findings findings;
  const auto endpoints = endpoints_of(settings, kInterfaces, findings);
  EXPECT_THAT(findings.all(), IsEmpty());
  ASSERT_EQ(endpoints.size(), 3u);
  EXPECT_EQ(endpoints[1].address, (SocketAddress{ip("203.0.113.10"), 443}));
  EXPECT_EQ(endpoints[2].address, (SocketAddress{ip("2001:db8::1"), 443}));
  EXPECT_EQ(endpoints[0].listener, 0u);
  EXPECT_EQ(endpoints[2].listener, 1u);
  EXPECT_FALSE(endpoints[0].freebind);
  EXPECT_TRUE(endpoints[2].freebind);
}

TEST(Endpoints, of_interfaces_that_cannot_be_listened_on_are_findings) {
  settings::Settings settings;
  for (const char* const name : {"eth7", "eth2"}) {
    settings.listeners.push_back(listener(name));
    settings.listeners.back().interface.value = name;
    settings.listeners.back().https.emplace();
  }
  Findings findings;
  EXPECT_THAT(endpoints_of(settings, kInterfaces, findings), IsEmpty());
  EXPECT_THAT(codes(findings), ElementsAre("unknown-interface", "interface-without-address"));
  EXPECT_EQ(findings.all()[0].text, "there is no NIC \"eth7\"");
  EXPECT_THAT(findings.all()[0].mend, HasSubstr("the NICs have: eth1 203.0.113.10"));
}

TEST(Endpoints, that_two_listeners_want_are_findings) {
  settings::Settings settings;
  settings.listeners.push_back(listener("A"));
  settings.listeners.push_back(listener("B"));
  settings.listeners[0].interface.value = "eth1";
  settings.listeners[1].addresses = {{ip("203.0.113.10"), {}}};
  for (auto& one : settings.listeners) one.https.emplace();
  Findings findings;
  EXPECT_EQ(endpoints_of(settings, kInterfaces, findings).size(), 2u);
  ASSERT_THAT(codes(findings), ElementsAre("endpoint-twice"));
  EXPECT_EQ(findings.all()[0].text,
            "203.0.113.10:443 is taken by listener \"A\" already, as 203.0.113.10:443");
}

TEST(Endpoints, of_an_interface_that_a_wildcard_covers_are_findings) {
  settings::Settings settings;
  settings.listeners.push_back(listener("A"));
  settings.listeners.push_back(listener("B"));
  settings.listeners[0].addresses = {{ip("0.0.0.0"), {}}};
  settings.listeners[1].interface.value = "eth1";
  for (auto& one : settings.listeners) one.https.emplace();
  Findings findings;
  EXPECT_EQ(endpoints_of(settings, kInterfaces, findings).size(), 2u);  // and its IPv6 address
  ASSERT_THAT(codes(findings), ElementsAre("endpoint-twice"));
  EXPECT_THAT(findings.all()[0].text, HasSubstr("already, as 0.0.0.0:443"));
}

}  // namespace
}  // namespace ocsproxy
