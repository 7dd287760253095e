// A policy as the questions ask it: read, and compiled as it would be to serve.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/finding.h"
#include "base/ip_address.h"
#include "rules/request_space.h"
#include "settings/load.h"

namespace ocsproxy {

// Immutable once it is read; not to be moved, because `table` refers to `settings`.
struct PolicyFile {
  Sources sources;
  settings::Settings settings;
  Findings findings;                              // sorted
  bool complete = false;                          // the settings have no errors by themselves
  std::shared_ptr<const rules::RuleTable> table;  // null where there are errors

  PolicyFile() = default;
  PolicyFile(const PolicyFile&) = delete;
  PolicyFile& operator=(const PolicyFile&) = delete;

  rules::Policy policy() const { return {&settings, table.get()}; }
};

// Certificates and keys are not looked at, so that a policy can be asked on any machine. Fails only
// when `path` cannot be read; what is wrong in it is among the findings. `own_addresses` are those
// of the machine that is to serve it.
Status read_policy(const std::string& path, Files& files, std::span<const IpAddress> own_addresses,
                   PolicyFile& into);

}  // namespace ocsproxy
