#include "check/configuration.h"

#include "listeners/interfaces.h"
#include "tls/read_certificates.h"

namespace ocsproxy {

Result<std::unique_ptr<Configuration>> read_configuration(const std::string& path, Files& files,
                                                          const Machine& machine,
                                                          const Library& library,
                                                          CertificateTime now) {
  auto read = std::make_unique<Configuration>();
  const Status policy = read_policy(path, files, own_addresses(machine.interfaces), *read);
  if (!policy) return policy.error();
  if (!read->complete) return read;
  for (const settings::Listener& listener : read->settings.listeners) {
    auto& certificates = read->certificates.emplace_back();
    if (!listener.https) continue;
    for (const settings::CertificateFiles& from : listener.https->certificates) {
      certificates.push_back(inspect_certificate(library, from, files, now, read->findings));
    }
  }
  read->roots =
      inspect_trusted_roots(library, read->settings.trusted_roots, files, now, read->findings);
  read->findings.sort();
  return read;
}

}  // namespace ocsproxy
