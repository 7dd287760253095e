// The lab's certification authority: makes the certificates that the lab needs, keeps them as
// files, and renews them. What it made it knows by the issuer's name (kAuthorityName and a number
// of its own for each authority); any other file is somebody else's and is never written to.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "tls/make_certificate.h"
#include "tls/openssl.h"

namespace ocsproxy::lab {

inline constexpr std::string_view kAuthorityName = "ocsproxy lab root CA";

struct CertificatePaths {
  std::string certificate;  // PEM, mode 0644
  std::string key;          // PEM, mode 0600
};

// One thread; reads and writes files when it is called, and not otherwise.
class LabCa {
 public:
  using Time = std::chrono::system_clock::time_point;

  // Reads the authority at `paths`, or makes one when there is none, when it expires within a day,
  // or when its key is missing. An error when the files there are not the lab's. `library` and
  // `log` must outlive this object; `log` is told of each file that is written.
  static Result<LabCa> open(const Library& library, CertificatePaths paths, const Log& log,
                            Time now = std::chrono::system_clock::now());

  // The certificate at `paths`: what is there when it is valid for a day more, of this authority,
  // with its key, and for all the names; made anew when it is missing or the lab's own and not all
  // of that. A certificate that somebody else issued is left alone and handed out as it is, unless
  // it cannot be used at all, which is an error. `names`: DNS names, of which the first is the
  // subject; `addresses`: IP addresses.
  Result<MadeCertificate> issue(const CertificatePaths& paths, std::vector<std::string> names,
                                std::vector<std::string> addresses = {}) const;

  // The name of this authority, as in the certificates that it issued.
  const std::string& name() const { return name_; }
  const std::string& certificate_path() const { return paths_.certificate; }

  // Is the certificate at `path` one that a lab authority issued? False when there is none.
  static bool made(const std::string& path);

 private:
  LabCa(const Library& library, CertificatePaths paths, const Log& log, Time now,
        MadeCertificate authority, std::string name);

  const Library* library_;
  const Log* log_;
  CertificatePaths paths_;
  Time now_;
  MadeCertificate authority_;
  std::string name_;
};

}  // namespace ocsproxy::lab
