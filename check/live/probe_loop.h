// What probes run in: a loop of their own, and what a worker would lend them, so that they go by
// the proxy's own resolver, connector and verification of certificates.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/descriptor.h"
#include "base/error.h"
#include "net/socket_address.h"
#include "net/task.h"
#include "proxy/services.h"
#include "proxy/target.h"
#include "tls/upstream_context.h"

namespace ocsproxy {

// What an SRV record leads to.
struct ServiceTarget {
  std::string host;  // lower case, without the last dot
  std::uint16_t port = 0;
};

// One thread.
class ProbeLoop {
 public:
  // `resolver`: for Resolver::Options::servers; "": the system's.
  explicit ProbeLoop(const std::string& resolver);
  ~ProbeLoop();
  ProbeLoop(const ProbeLoop&) = delete;  // its parts point at each other
  ProbeLoop& operator=(const ProbeLoop&) = delete;

  const Library& library() const { return library_; }
  Services& services() { return services_; }
  Reactor& reactor() { return reactor_; }

  // What DNS says of each name, all asked at once.
  using Answers = std::map<std::string, Resolver::Answer, std::less<>>;
  Answers resolve(const std::set<std::string>& names);

  // What SRV records say; an error's detail is a sentence.
  using ServiceAnswers = std::map<std::string, Result<std::vector<ServiceTarget>>, std::less<>>;
  ServiceAnswers resolve_services(const std::set<std::string>& names);

  // To one address of a site, which `key` need not have, by the proxy's own connector and within
  // the rule's connect deadline. `policy` is for bridging https. `rule` outlives the task.
  Task<Result<Lease>> connect(TargetKey key, UpstreamPolicy policy, SocketAddress address,
                              const settings::Rule& rule);

  // Runs all of them, so many at a time, and returns when the last has ended. Each has a deadline
  // of its own.
  using Probe = std::function<Task<>()>;
  static constexpr std::size_t kAtOnce = 64;
  void run(const std::vector<Probe>& probes);

 private:
  Task<> run_some(const std::vector<Probe>& probes);

  const std::string servers_;
  Counters counters_;
  boost::asio::io_context io_{1};
  Library library_;
  TlsResources tls_;
  Reactor reactor_;
  Resolver resolver_;
  SessionCache sessions_{counters_.evictions[Eviction::upstream_session]};
  const Descriptor nowhere_;  // what the connector logs is reported as findings
  const Log log_;
  LocalRef<WorkerSnapshot> snapshot_;
  const bool draining_ = false;
  std::uint64_t last_id_ = 0;
  Services services_;
  std::size_t next_ = 0;     // of the probes
  std::size_t running_ = 0;  // run_some's
};

}  // namespace ocsproxy
