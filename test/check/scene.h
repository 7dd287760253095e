// A configuration in memory, with a machine and certificates of every kind beside it, at a fixed
// time: what --check says of it is the same everywhere and always.
#pragma once

#include <map>
#include <string>

#include "base/files.h"
#include "check/check.h"

namespace ocsproxy::test {

// eth0 203.0.113.10, eth1 10.0.0.1, eth2 without address, lo 127.0.0.1. Port 80 needs a privilege
// that is not there; all others are free.
Machine machine();

// 2026-06-01 12:00:00 UTC.
CertificateTime now();

// Reads and checks `files` ("conf/a.yaml" and so on) as conf/. Beside them are conf/certs/: see
// scene.cpp for their names.
struct Checked {
  std::unique_ptr<Configuration> configuration;
  Findings findings;
  std::string report;  // as --check prints it
};
Checked check(const std::map<std::string, std::string>& files);

}  // namespace ocsproxy::test
