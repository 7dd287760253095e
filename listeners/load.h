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
  // Judges a configuration that is free of errors by itself: compiles the rules, looks at the
  // certificates. What it reads through `files` is part of the bundle.
  std::function<void(const settings::Loaded& loaded, Files& files, Findings& findings)> validate;
};

// As LoadFunction wants it. Nothing listens unless all is well; the access log may have been
// created.
Result<LoadBundle> load_bundle(const LoadOptions& options, const LoadBundle* last);

}  // namespace ocsproxy
