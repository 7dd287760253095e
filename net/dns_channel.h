// A c-ares channel whose sockets and timeouts live in an Asio loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <ares.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"

namespace ocsproxy {

// One thread: the one that runs `io`.
class DnsChannel {
 public:
  // `status` is ARES_SUCCESS or another of c-ares' codes; `found` is valid during the call, and
  // null unless it succeeded. Called from within c-ares: it must not ask or destroy anything.
  using OnAnswer = std::function<void(int status, const ares_addrinfo* found)>;

  // `servers`: a list for ares_set_servers_ports_csv, or "" for the system's. `after_events` runs
  // from the loop when c-ares has done what there was to do, and may ask again.
  static Result<std::unique_ptr<DnsChannel>> open(boost::asio::io_context& io,
                                                  const std::string& servers,
                                                  std::chrono::milliseconds timeout,
                                                  std::function<void()> after_events);
  // Questions under way end without an answer.
  ~DnsChannel();
  DnsChannel(const DnsChannel&) = delete;  // c-ares points at it
  DnsChannel& operator=(const DnsChannel&) = delete;

  // Addresses of both families. May answer before it returns.
  void ask(const std::string& name, OnAnswer on_answer);
  // The SRV records of a name (RFC 2782), likewise: a list linked by `next`.
  using OnServices = std::function<void(int status, const ares_srv_reply* found)>;
  void ask_services(const std::string& name, OnServices on_answer);
  bool idle() const { return questions_ == 0; }
  // Whom it asks, for messages: "192.0.2.53" or "192.0.2.53 or 192.0.2.54:5353".
  std::string servers() const;

 private:
  struct Watch {
    boost::asio::posix::stream_descriptor socket;
    std::uint64_t id;  // tells a socket from a later one with the same number
    bool readable_wanted = false;
    bool writable_wanted = false;
    bool readable_awaited = false;
    bool writable_awaited = false;
  };
  struct Question;
  struct ServicesQuestion;

  DnsChannel(boost::asio::io_context& io, std::function<void()> after_events);
  static void on_socket_state(void* self, ares_socket_t fd, int readable, int writable);
  static void on_addrinfo(void* question, int status, int timeouts, ares_addrinfo* found);
  static void on_services(void* question, int status, int timeouts, unsigned char* message,
                          int size);
  void watch(ares_socket_t fd, bool readable, bool writable);
  void await(ares_socket_t fd, Watch& watch);
  void process(ares_socket_t readable, ares_socket_t writable);
  void arm_timer();

  boost::asio::io_context& io_;
  std::function<void()> after_events_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, Watch> watches_;
  std::uint64_t last_watch_ = 0;
  boost::asio::steady_timer timer_;
  std::size_t questions_ = 0;
  bool closing_ = false;
  // Handlers that are queued when this is destroyed find it gone.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace ocsproxy
