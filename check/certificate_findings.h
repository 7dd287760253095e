// Findings about the certificates of the listeners beyond whether they can be used: what clients
// will think of them, and whether they fit the names that are published.
#pragma once

#include "base/finding.h"
#include "check/configuration.h"

namespace ocsproxy {

// What one certificate is by itself: its chain, its usage, its key.
void check_certificates(const Configuration& configuration, const Library& library, Files& files,
                        CertificateTime now, Findings& findings);

// The public names of the rules against the names of the certificates.
void check_certificate_names(const Configuration& configuration, Findings& findings);

}  // namespace ocsproxy
