// The files that a configuration names: certificates, keys, passphrases, trusted roots.
#pragma once

#include "base/files.h"
#include "base/finding.h"
#include "settings/settings.h"

namespace ocsproxy::settings {

// Reads each of them once, so that `files` has them all; one that cannot be read is an error where
// it is named. What they hold is for tls/ to judge.
void read_named_files(const Settings& settings, Files& files, Findings& findings);

}  // namespace ocsproxy::settings
