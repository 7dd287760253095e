#include "net/dns_channel.h"

#include <arpa/inet.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "net/socket_address.h"

namespace ocsproxy {
namespace {

// Two rounds over the servers: a lost packet is repaired, and a request learns of a DNS that is
// gone while its client still waits.
constexpr int kTries = 2;
constexpr std::uint16_t kDnsPort = 53;
// RFC 1035 3.2.4, RFC 2782: the Internet's class, and the type of SRV records.
constexpr int kInternet = 1;
constexpr int kServices = 33;

std::string describe(const ares_addr_port_node& server) {
  IpAddress ip;
  if (server.family == AF_INET) {
    ip = IpAddress::from_v4(ntohl(server.addr.addr4.s_addr));
  } else {
    IpAddress::Bytes bytes;
    std::copy(std::begin(server.addr.addr6._S6_un._S6_u8),
              std::end(server.addr.addr6._S6_un._S6_u8), bytes.begin());
    ip = IpAddress::from_v6(bytes);
  }
  if (server.udp_port == 0 || server.udp_port == kDnsPort) return ip.to_string();
  return SocketAddress{ip, static_cast<std::uint16_t>(server.udp_port)}.to_string();
}

}  // namespace

struct DnsChannel::Question {
  DnsChannel& channel;
  OnAnswer on_answer;
};

struct DnsChannel::ServicesQuestion {
  DnsChannel& channel;
  OnServices on_answer;
};

DnsChannel::DnsChannel(boost::asio::io_context& io, std::function<void()> after_events)
    : io_(io), after_events_(std::move(after_events)), timer_(io) {}

Result<std::unique_ptr<DnsChannel>> DnsChannel::open(boost::asio::io_context& io,
                                                     const std::string& servers,
                                                     std::chrono::milliseconds timeout,
                                                     std::function<void()> after_events) {
  std::unique_ptr<DnsChannel> channel(new DnsChannel(io, std::move(after_events)));
  char files_then_dns[] = "fb";
  ares_options options{};
  options.timeout = static_cast<int>(timeout.count());
  options.tries = kTries;
  options.lookups = files_then_dns;
  options.sock_state_cb = &DnsChannel::on_socket_state;
  options.sock_state_cb_data = channel.get();
  int status = ares_init_options(
      &channel->channel_, &options,
      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS && !servers.empty()) {
    status = ares_set_servers_ports_csv(channel->channel_, servers.c_str());
  }
  if (status != ARES_SUCCESS) {
    return Error{.detail = std::string("cannot set up name resolution: ") + ares_strerror(status)};
  }
  return channel;
}

DnsChannel::~DnsChannel() {
  closing_ = true;
  if (channel_ != nullptr) ares_destroy(channel_);
}

void DnsChannel::ask(const std::string& name, OnAnswer on_answer) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ++questions_;
  auto question = std::make_unique<Question>(Question{*this, std::move(on_answer)});
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &DnsChannel::on_addrinfo,
                   question.release());  // comes back in on_addrinfo, once, whatever happens
  arm_timer();
}

void DnsChannel::on_addrinfo(void* question, int status, int, ares_addrinfo* found) {
  const std::unique_ptr<Question> owned(static_cast<Question*>(question));
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> result(found,
                                                                            &ares_freeaddrinfo);
  --owned->channel.questions_;
  if (owned->channel.closing_) return;
  owned->on_answer(status, status == ARES_SUCCESS ? result.get() : nullptr);
}

void DnsChannel::ask_services(const std::string& name, OnServices on_answer) {
  ++questions_;
  auto question = std::make_unique<ServicesQuestion>(ServicesQuestion{*this, std::move(on_answer)});
  ares_query(channel_, name.c_str(), kInternet, kServices, &DnsChannel::on_services,
             question.release());  // comes back in on_services, once, whatever happens
  arm_timer();
}

void DnsChannel::on_services(void* question, int status, int, unsigned char* message, int size) {
  const std::unique_ptr<ServicesQuestion> owned(static_cast<ServicesQuestion*>(question));
  --owned->channel.questions_;
  if (owned->channel.closing_) return;
  ares_srv_reply* found = nullptr;
  if (status == ARES_SUCCESS) status = ares_parse_srv_reply(message, size, &found);
  const std::unique_ptr<ares_srv_reply, decltype(&ares_free_data)> result(found, &ares_free_data);
  owned->on_answer(status, status == ARES_SUCCESS ? result.get() : nullptr);
}

std::string DnsChannel::servers() const {
  ares_addr_port_node* list = nullptr;
  if (ares_get_servers_ports(channel_, &list) != ARES_SUCCESS) return "DNS";
  const std::unique_ptr<ares_addr_port_node, decltype(&ares_free_data)> owned(list,
                                                                              &ares_free_data);
  std::string text;
  for (const auto* server = owned.get(); server != nullptr; server = server->next) {
    if (!text.empty()) text += " or ";
    text += describe(*server);
  }
  return text;
}

// ---- sockets

void DnsChannel::on_socket_state(void* self, ares_socket_t fd, int readable, int writable) {
  static_cast<DnsChannel*>(self)->watch(fd, readable != 0, writable != 0);
}

void DnsChannel::watch(ares_socket_t fd, bool readable, bool writable) {
  auto found = watches_.find(fd);
  if (!readable && !writable) {
    if (found == watches_.end()) return;
    found->second.socket.release();  // c-ares closes it
    watches_.erase(found);
    return;
  }
  if (found == watches_.end()) {
    boost::asio::posix::stream_descriptor socket(io_);
    boost::system::error_code error;
    socket.assign(fd, error);
    // Not watched, it runs into the timeout, which is an answer too.
    if (error) return;
    found = watches_.emplace(fd, Watch{.socket = std::move(socket), .id = ++last_watch_}).first;
  }
  found->second.readable_wanted = readable;
  found->second.writable_wanted = writable;
  await(fd, found->second);
}

void DnsChannel::await(ares_socket_t fd, Watch& watch) {
  using Wait = boost::asio::posix::stream_descriptor::wait_type;
  const auto start = [this, fd, &watch](Wait kind, bool Watch::*awaited) {
    watch.*awaited = true;
    watch.socket.async_wait(kind, [this, alive = std::weak_ptr<int>(alive_), fd, id = watch.id,
                                   awaited](const boost::system::error_code& error) {
      if (alive.expired() || error) return;
      const auto found = watches_.find(fd);
      if (found == watches_.end() || found->second.id != id) return;
      found->second.*awaited = false;
      process(awaited == &Watch::readable_awaited ? fd : ARES_SOCKET_BAD,
              awaited == &Watch::writable_awaited ? fd : ARES_SOCKET_BAD);
    });
  };
  if (watch.readable_wanted && !watch.readable_awaited) {
    start(Wait::wait_read, &Watch::readable_awaited);
  }
  if (watch.writable_wanted && !watch.writable_awaited) {
    start(Wait::wait_write, &Watch::writable_awaited);
  }
}

void DnsChannel::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel_, readable, writable);
  const ares_socket_t fd = readable != ARES_SOCKET_BAD ? readable : writable;
  if (const auto found = watches_.find(fd); found != watches_.end()) await(fd, found->second);
  arm_timer();
  // A copy, because what it calls may replace this channel.
  const auto after_events = after_events_;
  after_events();
}

void DnsChannel::arm_timer() {
  timeval buffer{};
  const timeval* const wait = ares_timeout(channel_, nullptr, &buffer);
  if (wait == nullptr) {
    timer_.cancel();
    return;
  }
  // c-ares compares with microseconds; a millisecond more spares a turn that finds nothing due.
  timer_.expires_after(std::chrono::seconds(wait->tv_sec) +
                       std::chrono::microseconds(wait->tv_usec) + std::chrono::milliseconds(1));
  timer_.async_wait(
      [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
        if (!alive.expired() && !error) process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      });
}

}  // namespace ocsproxy
