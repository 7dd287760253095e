// A whole configuration as the questions ask it: a policy, and the certificates to serve it with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "check/machine.h"
#include "check/policy_file.h"
#include "tls/certificate.h"
#include "tls/openssl.h"
#include "tls/trusted_roots.h"

namespace ocsproxy {

// Without certificates and roots unless the policy is complete.
struct Configuration : PolicyFile {
  // For each listener its certificates, null where one cannot be used.
  std::vector<std::vector<std::shared_ptr<const Certificate>>> certificates;
  std::shared_ptr<const TrustedRoots> roots;  // null when they cannot be used
};

// Fails only when `path` itself cannot be read. `library` should have the legacy algorithms, for
// PFX files. A file that this account may not read is a note: the proxy starts with more rights.
Result<std::unique_ptr<Configuration>> read_configuration(const std::string& path, Files& files,
                                                          const Machine& machine,
                                                          const Library& library,
                                                          CertificateTime now);

}  // namespace ocsproxy
