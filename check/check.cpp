#include "check/check.h"

#include "check/certificate_findings.h"
#include "check/coverage_findings.h"
#include "check/policy_findings.h"
#include "check/subject.h"
#include "listeners/endpoint.h"
#include "rules/expectations.h"

namespace ocsproxy {

Findings check_configuration(const Configuration& configuration, const Machine& machine,
                             const Library& library, Files& files, CertificateTime now) {
  Findings findings = configuration.findings;
  if (!configuration.complete) return findings;
  if (machine.knows_interfaces)
    (void)endpoints_of(configuration.settings, machine.interfaces, findings);
  if (configuration.table != nullptr) {
    rules::prove_expectations(configuration.settings, *configuration.table, findings);
    check_policy(Subject(configuration.settings, *configuration.table, machine), findings);
    find_coverage(configuration.settings, *configuration.table, configuration.sources, findings);
  }
  check_certificates(configuration, library, files, now, findings);
  check_certificate_names(configuration, findings);
  findings.sort();
  return findings;
}

}  // namespace ocsproxy
