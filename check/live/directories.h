// The directories that a rule publishes: how each is asked for, and what is said when all is well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/finding.h"
#include "check/configuration.h"
#include "check/live/ask.h"
#include "check/live/live_report.h"
#include "check/subject.h"

namespace ocsproxy {

// What the answer to a GET shows.
enum class Expected : std::uint8_t {
  anything,  // nobody but the site knows; a failure is none
  present,   // the same, but something is there
  login,     // 401 that offers NTLM or Negotiate
  page,      // 200 for everybody
  post,      // a service that wants POST: anything but 403 and 404
};

struct DirectoryQuestion {
  std::string url;  // as a client outside asks
  IpAddress from;   // a client that the rule is for
  Expected expected = Expected::anything;
  bool may_log_in = false;  // do credentials of clients reach the site?
  Location where;
  std::uint32_t rule = 0;  // that decides it, and which of its paths
  std::uint32_t path = 0;
  std::string head;  // what the proxy would send to the site
};

// Those of one rule, in the order of its paths; only what the rule, and not one before it, decides.
std::vector<DirectoryQuestion> questions_of(const Configuration& configuration,
                                            const Subject& subject, std::uint32_t rule);

// The head for the same question with one more field; "" where the proxy sends none.
std::string head_with(const Configuration& configuration, const Machine& machine,
                      const DirectoryQuestion& question, const std::string& field);

void judge(const DirectoryQuestion& question, const SiteAnswer& answer, LiveReport& report);

}  // namespace ocsproxy
