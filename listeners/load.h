// The load of the real program: parse, check, read every file, open the log, bind.
#pragma once

#include <functional>
#include <string>

#include "base/files.h"
#include "base/finding.h"
#include "listeners/control.h"
#include "settings/load.h"

namespace ocsproxy {

struct LoadOptions {
  std::string path;  // a directory or a file
  // Judges settings that are free of errors by themselves: compiles the rules, looks at the
  // certificates. What it reads through `files` is part of the bundle.
  std::function<void(const settings::Settings& settings, Files& files, Findings& findings)>
      validate;
};

// As LoadFunction wants it. Nothing listens, and no file is left behind, unless all is well.
Result<LoadBundle> load_bundle(const LoadOptions& options, const LoadBundle* last);

}  // namespace ocsproxy
