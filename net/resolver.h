// The addresses of upstream names, by c-ares inside a worker's own loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "base/ip_address.h"

namespace ocsproxy {

// One a worker; all calls and all callbacks on the worker's thread. Names come from the
// configuration, never from a client, so the cache is bounded by it.
//
// IP literals are answered at once, /etc/hosts before DNS. An answer is kept as long as its TTL
// says (at least 1 s, at most 1 h), a failure for 2 s. When DNS itself fails (no answer, SERVFAIL),
// an answer that has run out by less than `kStale` is given all the same; when it says that the
// name does not exist, it is believed. Questions for the same name share one query. A changed
// /etc/resolv.conf is noticed with the next query.
class Resolver {
 public:
  using Clock = std::chrono::steady_clock;
  // Never an empty list: RFC 8305 section 4, the families interleaved, beginning with the one that
  // the system's address selection (RFC 6724) puts first. Errors have kind unresolved, side
  // upstream, phase resolve and a sentence: "ocspool.contoso.local has no address (NXDOMAIN from
  // 127.0.0.53)".
  using Answer = Result<std::vector<IpAddress>>;
  using Callback = std::function<void(const Answer& answer)>;

  static constexpr std::chrono::seconds kShortestTtl{1};
  static constexpr std::chrono::seconds kLongestTtl{3600};
  static constexpr std::chrono::seconds kNegative{2};
  static constexpr std::chrono::seconds kStale{600};

  struct Options {
    // "192.0.2.53:5353,[2001:db8::53]:53"; empty: what /etc/resolv.conf says.
    std::string servers;
    // Per server and try; it doubles with each of the two tries.
    std::chrono::milliseconds timeout{1500};
    // What the age of answers is measured by.
    std::function<Clock::time_point()> now = &Clock::now;
  };

  // A question that has not been answered. Destroyed or cancelled, its callback is not called any
  // more (the query itself goes on, for the cache). The resolver outlives it.
  class Query {
   public:
    Query() = default;
    Query(Query&& other) noexcept
        : resolver_(std::exchange(other.resolver_, nullptr)), id_(other.id_) {}
    Query& operator=(Query&& other) noexcept;
    ~Query() { cancel(); }
    void cancel();

   private:
    friend class Resolver;
    Query(Resolver* resolver, std::uint64_t id) : resolver_(resolver), id_(id) {}
    Resolver* resolver_ = nullptr;
    std::uint64_t id_ = 0;
  };

  // `io` is run by one thread and outlives the resolver.
  explicit Resolver(boost::asio::io_context& io);
  Resolver(boost::asio::io_context& io, Options options);
  // Nothing is called back any more.
  ~Resolver();
  Resolver(const Resolver&) = delete;  // c-ares and the loop point at it
  Resolver& operator=(const Resolver&) = delete;

  // Calls back exactly once: before `resolve` returns when the answer is at hand, else from the
  // loop. The callback may do anything with the resolver but destroy it.
  Query resolve(std::string_view name, Callback callback);
  // Does it wait for DNS, by sockets and timers in `io`?
  bool asking() const;

 private:
  class Channel;
  struct Entry;
  struct Waiter {
    std::uint64_t id;
    Callback callback;
  };

  Entry& entry_of(const std::string& name);
  void ask(const std::string& name, Entry& entry);
  void finished(const std::string& name, Answer answer, std::chrono::seconds ttl, bool believed);
  void deliver();
  void deliver(const std::string& name);
  void forget_old();
  void cancel(std::uint64_t id);

  boost::asio::io_context& io_;
  const Options options_;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
  std::vector<std::string> answered_;  // entries whose waiters are to be called
  std::uint64_t last_id_ = 0;
  std::unique_ptr<Channel> channel_;
};

}  // namespace ocsproxy
