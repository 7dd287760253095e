// Reads conf/ into Settings.
#pragma once

#include <string>

#include "base/files.h"
#include "base/finding.h"
#include "settings/settings.h"

namespace ocsproxy::settings {

struct Loaded {
  Sources sources;
  Findings findings;  // every error of the run, not the first; sorted by place
  Settings settings;  // to be used only when `findings` has no errors
};

// `path` is a directory (its *.yaml and *.yml files in byte order of their names) or one file.
// Fails only when `path` itself cannot be read; everything else is a finding.
Result<Loaded> load(const std::string& path, Files& files);

}  // namespace ocsproxy::settings
