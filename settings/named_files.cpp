#include "settings/named_files.h"

#include <map>

namespace ocsproxy::settings {
namespace {

class NamedFiles {
 public:
  NamedFiles(Files& files, Findings& findings) : files_(files), findings_(findings) {}

  void read(const Located<std::string>& path, ErrorCode code) {
    if (path->empty()) return;
    auto [known, is_new] = failures_.try_emplace(*path);
    if (is_new) {
      const auto text = files_.read(*path);
      if (!text) known->second = text.error().detail;
    }
    if (known->second.empty()) return;
    findings_.error(code, path.where, known->second,
                    "check the path, which is relative to the configuration's directory, and who "
                    "may read the file");
  }

 private:
  Files& files_;
  Findings& findings_;
  std::map<std::string, std::string> failures_;  // by path; "" where it was read
};

}  // namespace

void read_named_files(const Settings& settings, Files& files, Findings& findings) {
  NamedFiles named(files, findings);
  for (const auto& root : settings.trusted_roots) {
    if (*root != "system") named.read(root, "root-unreadable");
  }
  for (const Listener& listener : settings.listeners) {
    if (!listener.https) continue;
    for (const CertificateFiles& certificate : listener.https->certificates) {
      for (const auto* path :
           {&certificate.chain, &certificate.key, &certificate.pfx, &certificate.passphrase_file}) {
        named.read(*path, "certificate-unreadable");
      }
    }
  }
}

}  // namespace ocsproxy::settings
