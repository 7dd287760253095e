// Reads the certificates that a configuration names and says what is wrong with them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/files.h"
#include "base/finding.h"
#include "settings/settings.h"
#include "tls/certificate.h"
#include "tls/trusted_roots.h"

namespace ocsproxy {

// Null when it cannot be used; the error then is in `findings` at the place of the file's name in
// the configuration. A certificate that has expired, is not valid yet or names nobody is usable,
// with a warning: clients will say the same. `library` should have the legacy algorithms, for PFX
// files.
std::shared_ptr<const Certificate> read_certificate(const Library& library,
                                                    const settings::CertificateFiles& from,
                                                    Files& files, CertificateTime now,
                                                    Findings& findings);

// The same for who only asks about a configuration: a file that this account may not read is a
// note, and a certificate whose key is such a file can be asked but not used.
std::shared_ptr<const Certificate> inspect_certificate(const Library& library,
                                                       const settings::CertificateFiles& from,
                                                       Files& files, CertificateTime now,
                                                       Findings& findings);

// All roots of all files in one; null when a file adds none or cannot be read. "system" stands for
// the machine's own store, which is one PEM file on every distribution and is read here, not at
// the time of a handshake: the process that serves may not be allowed to.
std::shared_ptr<const TrustedRoots> read_trusted_roots(const Library& library,
                                                       std::span<const Located<std::string>> from,
                                                       Files& files, CertificateTime now,
                                                       Findings& findings);

// The same for who only asks: also null, with a note, when this account may not read one of them.
std::shared_ptr<const TrustedRoots> inspect_trusted_roots(
    const Library& library, std::span<const Located<std::string>> from, Files& files,
    CertificateTime now, Findings& findings);

// How near a certificate's end is. The administrator is told at each step, by --check and by the
// running proxy.
enum class Expiry : std::uint8_t { far, within_30_days, within_14_days, within_7_days, expired };
Expiry expiry_of(const Certificate& certificate, CertificateTime now);
// One sentence about it without a full stop, "" when it is far.
std::string expiry_text(const Certificate& certificate, CertificateTime now);

}  // namespace ocsproxy
