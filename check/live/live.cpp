#include "check/live/live.h"

#include "check/live/names.h"
#include "check/live/ports.h"
#include "check/live/records.h"
#include "check/live/sites.h"
#include "tls/kernel_tls.h"

namespace ocsproxy {
namespace {

// Looked at only where it is wanted: to look makes the kernel load its module.
void check_kernel_tls(const Located<bool>& wanted, LiveReport& report) {
  if (!*wanted) return;
  const KernelTls kernel = KernelTls::detect();
  if (kernel.anything()) {
    report.well.push_back("kernel TLS: " + kernel.to_string());
  } else {
    report.findings.note("kernel-tls-missing", wanted.where,
                         "the kernel takes over no TLS: " + kernel.to_string(),
                         "modprobe tls, or remove the line; all is served without it");
  }
}

}  // namespace

LiveReport check_live(const Configuration& configuration, const Machine& machine,
                      const LiveOptions& options) {
  LiveReport report;
  check_ports(configuration.settings, machine, options.path, report);
  check_kernel_tls(configuration.settings.kernel_tls, report);
  ProbeLoop loop(options.resolver);
  const auto names = loop.resolve(names_of(configuration.settings));
  check_names(configuration.settings, machine, names, report);
  check_sites(configuration, machine, names, loop, report);
  check_records(configuration, names, loop, report);
  report.findings.sort();
  return report;
}

}  // namespace ocsproxy
