// What the probes of --check --live found.
#pragma once

#include <string>
#include <vector>

#include "base/finding.h"

namespace ocsproxy {

struct LiveReport {
  Findings findings;
  std::vector<std::string> well;  // what was tried and is as it should be, one sentence each

  void add(const LiveReport& other) {
    for (const Finding& finding : other.findings.all()) findings.add(finding);
    well.insert(well.end(), other.well.begin(), other.well.end());
  }
};

}  // namespace ocsproxy
