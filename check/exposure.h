// Which network reaches which internal URLs: all that the rules allow, seen by an auditor.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "check/policy_file.h"
#include "rules/region.h"

namespace ocsproxy {

// What one rule opens to clients of one network.
struct Exposed {
  std::uint32_t rule = 0;
  std::string listener;
  std::string names;  // that the clients ask for
  std::string methods;
  std::string from;                // the network, or which part of it
  std::vector<std::string> paths;  // on the internal site
  std::set<std::string> regexes;   // that have a say in which of these it is; empty: none
  std::vector<rules::Box> boxes;   // its requests
  std::optional<rules::Witness>
      example;  // one that is allowed; absent where regexes left none to be found

  bool is_certain() const { return regexes.empty(); }
};

struct NetworkExposure {
  std::string network;
  std::vector<Exposed> exposed;  // by rule; empty: it reaches nothing
};

// Every network of the policy, in its order.
std::vector<NetworkExposure> examine_exposure(const rules::RequestSpace& space);

}  // namespace ocsproxy
