// One site, as a rule's `to` names it, and what is tried with it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "check/configuration.h"
#include "check/live/directories.h"
#include "check/live/live_report.h"
#include "check/live/ntlm_probe.h"
#include "check/live/probe_loop.h"
#include "net/socket_address.h"
#include "net/task.h"
#include "proxy/target.h"
#include "tls/upstream_context.h"

namespace ocsproxy {

struct Site {
  struct Place {
    SocketAddress address;
    Location where;
  };
  TargetKey key;
  UpstreamPolicy policy;  // with bridging https
  std::uint32_t rule;     // the first that goes there
  std::vector<Place> places;
  std::vector<DirectoryQuestion> questions;
};

// Connects to each place, and asks the questions at the first that proves to be the site. One
// thread; the arguments outlive it.
class SiteProbe {
 public:
  SiteProbe(const Configuration& configuration, const Machine& machine, Site site, ProbeLoop& loop);

  // Takes at most the rule's `connect` for each place, and kAnswerDeadline for a question that is
  // not answered, which is the last.
  Task<> run();
  // To be read when `run` has ended.
  const LiveReport& report() const { return report_; }

 private:
  const settings::Rule& rule() const { return configuration_.settings.rules[site_.rule]; }
  Task<Result<Lease>> connect(const Site::Place& place) {
    return loop_.connect(site_.key, site_.policy, place.address, rule());
  }
  Task<> try_place(const Site::Place& place);
  // False when there was no answer: to go on would cost the same deadline again.
  Task<bool> try_question(const DirectoryQuestion& question);
  Task<> try_login(const DirectoryQuestion& question, std::string scheme);
  void report_failure(const Site::Place& place, const Error& error);
  void compare_clocks(const SiteAnswer& answer);

  const Configuration& configuration_;
  const Machine& machine_;
  const Site site_;
  ProbeLoop& loop_;
  LiveReport report_;
  std::optional<Site::Place> place_;  // the first that proved to be the site
  bool clock_known_ = false;
  bool login_tried_ = false;
};

}  // namespace ocsproxy
