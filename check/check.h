// --check: all that can be known from the configuration, its files and the machine.
#pragma once

#include "check/configuration.h"

namespace ocsproxy {

// The arguments are those that it was read with. Adds to the findings of reading what a
// configuration that could be read makes one wonder about. Sorted.
Findings check_configuration(const Configuration& configuration, const Machine& machine,
                             const Library& library, Files& files, CertificateTime now);

}  // namespace ocsproxy
