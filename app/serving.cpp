#include "app/serving.h"

#include <memory>

#include "listeners/load.h"
#include "listeners/local_loader.h"
#include "listeners/runtime.h"

namespace ocsproxy {
namespace {

void validate(const settings::Loaded& loaded, Files& files, Findings& findings) {
  (void)compile_snapshot(loaded, files, 0, findings);
}

}  // namespace

LoadFunction make_load(const std::string& configuration) {
  return [options = LoadOptions{.path = configuration, .validate = validate}](
             const LoadBundle* last) { return load_bundle(options, last); };
}

int serve_alone(const LoadFunction& load, const std::string& configuration, const Log& log) {
  Result<std::unique_ptr<LocalLoader>> control = LocalLoader::start(load, log);
  if (!control) {
    log.error(control.error().detail);
    return control.error().kind == ErrorKind::malformed ? 1 : 2;
  }
  return Runtime(**control, configuration, log).run();
}

}  // namespace ocsproxy
