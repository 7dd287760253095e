#include "net/resolver.h"

#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include <ares.h>

#include "base/text.h"
#include "net/dns_channel.h"
#include "net/socket_address.h"

namespace ocsproxy {
namespace {

using std::chrono::seconds;

constexpr const char* kResolvConf = "/etc/resolv.conf";

Error unresolved(std::string detail) {
  return Error{.kind = ErrorKind::unresolved,
               .side = Side::upstream,
               .phase = Phase::resolve,
               .detail = std::move(detail)};
}

std::string failure_text(const std::string& name, int status, const std::string& servers) {
  const auto with = [&](const std::string& what, const std::string& why) {
    return escaped(name) + what + " (" + why + ')';
  };
  switch (status) {
    case ARES_ENOTFOUND:
      return with(" has no address", "NXDOMAIN from " + servers);
    case ARES_ENODATA:
      return with(" has no address", "neither A nor AAAA record at " + servers);
    case ARES_ETIMEOUT:
      return with(" could not be resolved", "no answer from " + servers);
    case ARES_ECONNREFUSED:  // what c-ares calls all three, when no server is left to ask
      return with(" could not be resolved",
                  "unreachable, or answering SERVFAIL or REFUSED: " + servers);
    case ARES_EBADNAME:
      return with(" could not be resolved", "it is no valid DNS name");
    default:
      return with(" could not be resolved", std::string(ares_strerror(status)));
  }
}

// Without 0.0.0.0 and ::, which filtering resolvers give out and which would connect to ourselves.
std::vector<IpAddress> usable_addresses(const ares_addrinfo& found) {
  std::vector<IpAddress> addresses;
  for (const auto* node = found.nodes; node != nullptr; node = node->ai_next) {
    sockaddr_storage storage{};
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    std::memcpy(&storage, node->ai_addr, std::min<std::size_t>(node->ai_addrlen, sizeof storage));
    const IpAddress address = SocketAddress::from(storage).ip;
    if (address.is_unspecified()) continue;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

// RFC 8305 section 4: one family after the other in turn, each in the order it came in.
std::vector<IpAddress> interleaved(const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> first;
  std::vector<IpAddress> second;
  for (const IpAddress& address : addresses) {
    (address.is_v4() == addresses.front().is_v4() ? first : second).push_back(address);
  }
  std::vector<IpAddress> result;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) result.push_back(first[i]);
    if (i < second.size()) result.push_back(second[i]);
  }
  return result;
}

seconds ttl_of(const ares_addrinfo& found) {
  auto ttl = Resolver::kLongestTtl;
  for (const auto* node = found.nodes; node != nullptr; node = node->ai_next) {
    ttl = std::min(ttl, seconds(node->ai_ttl));
  }
  for (const auto* alias = found.cnames; alias != nullptr; alias = alias->next) {
    ttl = std::min(ttl, seconds(alias->ttl));
  }
  return std::max(ttl, Resolver::kShortestTtl);
}

std::optional<timespec> modified(const char* path) {
  struct stat info {};
  if (::stat(path, &info) != 0) return std::nullopt;
  return info.st_mtim;
}

bool same(const std::optional<timespec>& a, const std::optional<timespec>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

}  // namespace

struct Resolver::Entry {
  std::vector<Waiter> waiters;
  bool asking = false;
  std::optional<std::vector<IpAddress>> addresses;  // the last that DNS gave
  Clock::time_point fresh_until;
  std::optional<Error> failure;  // of the last question
  Clock::time_point failure_until;

  bool fresh(Clock::time_point now) const { return addresses && now < fresh_until; }
  bool failed_lately(Clock::time_point now) const { return failure && now < failure_until; }
  bool usable_stale(Clock::time_point now) const {
    return failure && addresses && now < fresh_until + kStale;
  }
  bool forgettable(Clock::time_point now) const {
    return !asking && waiters.empty() && !failed_lately(now) &&
           !(addresses && now < fresh_until + kStale);
  }
  // Precondition: a question has been answered.
  Answer answer(Clock::time_point now) const {
    if (!failure || usable_stale(now)) return *addresses;
    return *failure;
  }
};

// The channel in use, and the state of the system's configuration when it was opened.
class Resolver::Channel {
 public:
  Channel(boost::asio::io_context& io, const Options& options, std::function<void()> after_events)
      : resolv_conf_(modified(kResolvConf)),
        dns_(DnsChannel::open(io, options.servers, options.timeout, std::move(after_events))) {}

  bool outdated() const {
    return !dns_ || ((*dns_)->idle() && !same(resolv_conf_, modified(kResolvConf)));
  }
  Result<std::unique_ptr<DnsChannel>>& dns() { return dns_; }
  bool asking() const { return dns_ && !(*dns_)->idle(); }

 private:
  std::optional<timespec> resolv_conf_;
  Result<std::unique_ptr<DnsChannel>> dns_;
};

Resolver::Query& Resolver::Query::operator=(Query&& other) noexcept {
  if (this != &other) {
    cancel();
    resolver_ = std::exchange(other.resolver_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void Resolver::Query::cancel() {
  if (resolver_ != nullptr) std::exchange(resolver_, nullptr)->cancel(id_);
}

Resolver::Resolver(boost::asio::io_context& io) : Resolver(io, Options()) {}

Resolver::Resolver(boost::asio::io_context& io, Options options)
    : io_(io), options_(std::move(options)) {}

Resolver::~Resolver() = default;

Resolver::Query Resolver::resolve(std::string_view name, Callback callback) {
  if (const auto literal = IpAddress::parse(name)) {
    callback(std::vector<IpAddress>{*literal});
    return {};
  }
  const std::string key = lower(name);
  Entry& entry = entry_of(key);
  const auto now = options_.now();
  if (entry.fresh(now) || entry.failed_lately(now)) {
    const Answer answer = entry.answer(now);
    callback(answer);
    return {};
  }
  if (entry.usable_stale(now)) {
    // DNS did not work a moment ago: nobody waits for the next attempt.
    const Answer answer = entry.answer(now);
    if (!entry.asking) ask(key, entry);
    callback(answer);
    return {};
  }
  const std::uint64_t id = ++last_id_;
  entry.waiters.push_back({id, std::move(callback)});
  if (!entry.asking) {
    ask(key, entry);
    deliver();
  }
  return Query(this, id);
}

bool Resolver::asking() const { return channel_ && channel_->asking(); }

Resolver::Entry& Resolver::entry_of(const std::string& name) {
  const auto known = entries_.find(name);
  if (known != entries_.end()) return *known->second;
  forget_old();
  return *entries_.emplace(name, std::make_unique<Entry>()).first->second;
}

// Leaves the answer, if it comes at once, in `answered_`.
void Resolver::ask(const std::string& name, Entry& entry) {
  entry.asking = true;
  if (!channel_ || channel_->outdated()) {
    channel_ = std::make_unique<Channel>(io_, options_, [this] { deliver(); });
  }
  if (!channel_->dns()) {
    finished(name, unresolved(channel_->dns().error().detail), {}, false);
    return;
  }
  DnsChannel& dns = **channel_->dns();
  dns.ask(name, [this, &dns, name](int status, const ares_addrinfo* found) {
    if (found == nullptr) {
      // Only "there is no such name" is believed: c-ares reports "no record" also when one family's
      // query was answered so and the other's was lost.
      finished(name, unresolved(failure_text(name, status, dns.servers())), {},
               status == ARES_ENOTFOUND);
      return;
    }
    const auto addresses = usable_addresses(*found);
    if (addresses.empty()) {
      finished(name, unresolved(failure_text(name, ARES_ENODATA, dns.servers())), {}, true);
    } else {
      finished(name, interleaved(addresses), ttl_of(*found), true);
    }
  });
}

// `believed`: a failure that makes earlier addresses void.
void Resolver::finished(const std::string& name, Answer answer, seconds ttl, bool believed) {
  Entry& entry = *entries_.at(name);
  const auto now = options_.now();
  entry.asking = false;
  if (answer) {
    entry.addresses = *std::move(answer);
    entry.fresh_until = now + ttl;
    entry.failure.reset();
  } else {
    if (believed) entry.addresses.reset();
    entry.failure = std::move(answer).error();
    entry.failure_until = now + kNegative;
  }
  answered_.push_back(name);
}

// Outside of c-ares, so that a callback may ask the next question.
void Resolver::deliver() {
  while (!answered_.empty()) {
    const std::string name = std::move(answered_.back());
    answered_.pop_back();
    deliver(name);
  }
}

void Resolver::deliver(const std::string& name) {
  const auto answered = entries_.find(name);
  if (answered == entries_.end() || answered->second->asking) return;
  const Answer answer = answered->second->answer(options_.now());
  const std::uint64_t newest = last_id_;
  while (true) {
    // Found anew each time: a callback may cancel other questions and ask new ones.
    const auto entry = entries_.find(name);
    if (entry == entries_.end() || entry->second->waiters.empty()) return;
    auto& waiters = entry->second->waiters;
    if (waiters.front().id > newest) return;
    const Callback callback = std::move(waiters.front().callback);
    waiters.erase(waiters.begin());
    callback(answer);
  }
}

void Resolver::forget_old() {
  const auto now = options_.now();
  std::erase_if(entries_, [now](const auto& entry) { return entry.second->forgettable(now); });
}

void Resolver::cancel(std::uint64_t id) {
  for (auto& [name, entry] : entries_) {
    std::erase_if(entry->waiters, [id](const Waiter& waiter) { return waiter.id == id; });
  }
}

}  // namespace ocsproxy
