// Reads conf/ into Settings.
#pragma once

#include <cstdint>
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

// What becomes of the certificates, keys and roots that the configuration names.
enum class NamedFiles : std::uint8_t {
  read,   // each is read through `files`; one that cannot be read is an error
  later,  // they need not be there yet: a lab makes them
};

// `path` is a directory (its *.yaml and *.yml files in byte order of their names) or one file.
// Fails only when `path` itself cannot be read; everything else is a finding.
Result<Loaded> load(const std::string& path, Files& files, NamedFiles named = NamedFiles::read);

}  // namespace ocsproxy::settings
