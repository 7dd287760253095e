#include "tls/read_certificates.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/wipe.h"
#include "tls/secret.h"
#include "tls/x509_bytes.h"

namespace ocsproxy {
namespace {

using std::chrono::hours;

// Where distributions keep the machine's store as one PEM file: Debian, Red Hat, SUSE, OpenSSL's
// own default.
constexpr std::array<std::string_view, 4> kSystemStores{
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

constexpr const char* kCheckPath =
    "check the path, which is relative to the configuration's directory";

bool looks_like_der(std::string_view bytes) {
  return bytes.starts_with('\x30') && bytes.find("-----BEGIN") == std::string_view::npos;
}

// A file's text that is wiped when it goes: most of them hold keys.
std::optional<Secret> read_file(const Located<std::string>& path, Files& files,
                                Findings& findings) {
  auto text = files.read(*path);
  if (!text) {
    findings.error("certificate-unreadable", path.where, text.error().detail, kCheckPath);
    return std::nullopt;
  }
  Secret secret{std::string_view(*text)};
  wipe(*text);
  return secret;
}

bool is_permitted(const Located<std::string>& file, const Files& files, Findings& findings) {
  if (files.may_read(*file)) return true;
  findings.note("file-not-permitted", file.where,
                "this account may not read " + *file + ", so it was not checked",
                "as root it is checked too, and the proxy starts as root");
  return false;
}

std::optional<Secret> read_passphrase(const Located<std::string>& path, Files& files,
                                      Findings& findings) {
  if (path->empty()) return Secret();
  const auto file = read_file(path, files, findings);
  if (!file) return std::nullopt;
  const std::string_view line = file->text().substr(0, file->text().find_first_of("\r\n"));
  if (line.empty()) {
    findings.error("certificate-passphrase", path.where,
                   "the first line of " + *path + " is empty, so there is no passphrase");
    return std::nullopt;
  }
  return Secret(line);
}

std::string advice_for(const settings::CertificateFiles& from, CertificateFault fault,
                       std::string_view chain) {
  switch (fault) {
    case CertificateFault::not_a_certificate:
      if (!from.chain->empty() && looks_like_der(chain)) {
        return "it looks like a binary file: name a PFX as `pfx:`, and turn a DER certificate into "
               "PEM with: openssl x509 -inform der -in " +
               *from.chain + " -out FILE.pem";
      }
      return from.chain->empty() ? "" : "PEM begins with -----BEGIN CERTIFICATE-----";
    case CertificateFault::no_key:
      return from.chain->empty() ? "export the certificate again, with its private key"
                                 : "a PEM key begins with -----BEGIN PRIVATE KEY-----";
    case CertificateFault::passphrase_missing:
      return "write it into the first line of a file that only root can read, and name that file "
             "as `passphrase_file:`";
    case CertificateFault::passphrase_wrong:
      return "only the first line of the file counts";
    case CertificateFault::key_mismatch:
      return "take the key that the certificate was requested with";
    case CertificateFault::leaf_not_first:
      return "put that certificate first, and behind each one its issuer";
    case CertificateFault::too_weak:
      return "no browser accepts it either: issue it again with RSA 2048 or P-256, and SHA-256";
    case CertificateFault::none:
      break;
  }
  return {};
}

void report_fault(const settings::CertificateFiles& from, const ParsedCertificate& parsed,
                  std::string_view chain, Findings& findings) {
  const Located<std::string>& main = from.chain->empty() ? from.pfx : from.chain;
  const Located<std::string>& key = from.chain->empty() ? from.pfx : from.key;
  const Located<std::string>* file = &main;
  ErrorCode code = "certificate-invalid";
  switch (parsed.fault) {
    case CertificateFault::not_a_certificate:
    case CertificateFault::none:
      break;
    case CertificateFault::no_key:
      code = "certificate-no-key";
      file = &key;
      break;
    case CertificateFault::passphrase_missing:
      code = "certificate-passphrase";
      file = &key;
      break;
    case CertificateFault::passphrase_wrong:
      code = "certificate-passphrase";
      file = &from.passphrase_file;
      break;
    case CertificateFault::key_mismatch:
      code = "certificate-key-mismatch";
      file = &key;
      break;
    case CertificateFault::leaf_not_first:
      code = "certificate-key-mismatch";
      break;
    case CertificateFault::too_weak:
      code = "certificate-weak";
      break;
  }
  findings.error(code, file->where, **file + ": " + parsed.detail,
                 advice_for(from, parsed.fault, chain));
}

void report_doubts(const Certificate& certificate, Location where, CertificateTime now,
                   Findings& findings) {
  if (certificate.not_before() > now) {
    findings.warning("certificate-not-yet-valid", where,
                     "the certificate of " + certificate.subject() + " is not valid before " +
                         utc_text(certificate.not_before()),
                     "clients refuse it until then; is this machine's clock right?");
  }
  const Expiry expiry = expiry_of(certificate, now);
  if (expiry != Expiry::far) {
    const WarningCode code = expiry == Expiry::expired ? WarningCode("certificate-expired")
                                                       : WarningCode("certificate-expires");
    findings.warning(code, where, expiry_text(certificate, now),
                     "install its successor and reload; nothing else needs to change");
  }
  if (certificate.dns_names().empty() && certificate.addresses().empty()) {
    findings.warning("certificate-no-names", where,
                     "the certificate of " + certificate.subject() +
                         " has no subject alternative names, so clients accept it for no name",
                     "issue it again with the public names as subject alternative names");
  }
}

void report_root(const Library& library, std::span<const unsigned char> der,
                 const Located<std::string>& from, CertificateTime now, Findings& findings) {
  const X509Ptr root = parse_der_certificate(library, der);
  if (root == nullptr) return;  // it was parsed a moment ago
  const std::string name = name_text(X509_get_subject_name(root.get()));
  if (X509_check_ca(root.get()) == 0) {
    findings.warning("root-not-authority", from.where,
                     name + " in " + *from + " is not the certificate of a CA",
                     "it makes that one certificate trusted, until it is renewed; name the "
                     "certificate of the CA that issued it");
  }
  if (const CertificateTime end = time_of(X509_get0_notAfter(root.get())); end < now) {
    findings.warning("root-expired", from.where,
                     name + " in " + *from + " expired on " + utc_text(end),
                     "sites whose certificates chain to it are not trusted");
  }
}

// False after an error.
bool add_roots(const Library& library, const Located<std::string>& from, Files& files,
               CertificateTime now, TrustedRoots& roots, Findings& findings) {
  const auto text = files.read(*from);
  if (!text) {
    findings.error("root-unreadable", from.where, text.error().detail, kCheckPath);
    return false;
  }
  const std::size_t before = roots.size();
  const auto added = roots.add_pem(library, *text);
  if (!added) {
    findings.error("root-invalid", from.where, *from + ": " + added.error().detail);
    return false;
  }
  if (*added == 0) {
    findings.error("root-invalid", from.where, "there is no PEM certificate in " + *from,
                   looks_like_der(*text)
                       ? "it looks like DER, as Windows exports by default; turn it into PEM with: "
                         "openssl x509 -inform der -in " +
                             *from + " -out FILE.pem"
                       : "PEM begins with -----BEGIN CERTIFICATE-----");
    return false;
  }
  for (std::size_t i = before; i < roots.size(); ++i) {
    report_root(library, roots.certificates()[i], from, now, findings);
  }
  return true;
}

bool add_system_roots(const Library& library, Location where, Files& files, TrustedRoots& roots,
                      Findings& findings) {
  std::string tried;
  for (const std::string_view path : kSystemStores) {
    const auto text = files.read(std::string(path));
    const auto added = text ? roots.add_pem(library, *text) : Result<std::size_t>(text.error());
    if (added && *added > 0) return true;
    tried += "\n" + std::string(path) + ": " +
             (added ? "there is no PEM certificate in it" : added.error().detail);
  }
  findings.error("root-unreadable", where, "the machine's store of trusted roots is not found",
                 "install ca-certificates, or name the roots' files; tried:" + tried);
  return false;
}

}  // namespace

std::shared_ptr<const Certificate> read_certificate(const Library& library,
                                                    const settings::CertificateFiles& from,
                                                    Files& files, CertificateTime now,
                                                    Findings& findings) {
  const bool pem = !from.chain->empty();
  const auto passphrase = read_passphrase(from.passphrase_file, files, findings);
  const auto chain = read_file(pem ? from.chain : from.pfx, files, findings);
  if (!passphrase || !chain) return nullptr;
  ParsedCertificate parsed;
  if (!pem) {
    parsed = Certificate::from_pfx(library, chain->text(), *passphrase);
  } else {
    const auto key = read_file(from.key, files, findings);
    if (!key) return nullptr;
    parsed = Certificate::from_pem(library, chain->text(), key->text(), *passphrase);
  }
  if (parsed.certificate == nullptr) {
    report_fault(from, parsed, chain->text(), findings);
    return nullptr;
  }
  report_doubts(*parsed.certificate, pem ? from.chain.where : from.pfx.where, now, findings);
  return parsed.certificate;
}

std::shared_ptr<const Certificate> inspect_certificate(const Library& library,
                                                       const settings::CertificateFiles& from,
                                                       Files& files, CertificateTime now,
                                                       Findings& findings) {
  bool permitted = true;
  for (const auto* file : {&from.chain, &from.key, &from.pfx, &from.passphrase_file}) {
    if (!(*file)->empty() && !is_permitted(*file, files, findings)) permitted = false;
  }
  if (permitted) return read_certificate(library, from, files, now, findings);
  if (from.chain->empty() || !files.may_read(*from.chain)) return nullptr;
  const auto chain = read_file(from.chain, files, findings);
  if (!chain) return nullptr;
  const ParsedCertificate parsed = Certificate::from_chain(library, chain->text());
  if (parsed.certificate == nullptr) {
    report_fault(from, parsed, chain->text(), findings);
  } else {
    report_doubts(*parsed.certificate, from.chain.where, now, findings);
  }
  return parsed.certificate;
}

std::shared_ptr<const TrustedRoots> read_trusted_roots(const Library& library,
                                                       std::span<const Located<std::string>> from,
                                                       Files& files, CertificateTime now,
                                                       Findings& findings) {
  const auto roots = std::make_shared<TrustedRoots>();
  bool good = true;
  for (const Located<std::string>& file : from) {
    const bool added = *file == "system"
                           ? add_system_roots(library, file.where, files, *roots, findings)
                           : add_roots(library, file, files, now, *roots, findings);
    good = good && added;
  }
  return good ? roots : nullptr;
}

std::shared_ptr<const TrustedRoots> inspect_trusted_roots(
    const Library& library, std::span<const Located<std::string>> from, Files& files,
    CertificateTime now, Findings& findings) {
  bool permitted = true;
  for (const Located<std::string>& file : from) {
    if (*file != "system" && !is_permitted(file, files, findings)) permitted = false;
  }
  return permitted ? read_trusted_roots(library, from, files, now, findings) : nullptr;
}

Expiry expiry_of(const Certificate& certificate, CertificateTime now) {
  const auto left = certificate.not_after() - now;
  if (left < hours(0)) return Expiry::expired;
  if (left < hours(24 * 7)) return Expiry::within_7_days;
  if (left < hours(24 * 14)) return Expiry::within_14_days;
  if (left < hours(24 * 30)) return Expiry::within_30_days;
  return Expiry::far;
}

std::string expiry_text(const Certificate& certificate, CertificateTime now) {
  const Expiry expiry = expiry_of(certificate, now);
  if (expiry == Expiry::far) return {};
  const std::string which = "the certificate of " + certificate.subject();
  const std::string end = utc_text(certificate.not_after());
  if (expiry == Expiry::expired) return which + " expired on " + end;
  const auto days = std::chrono::duration_cast<hours>(certificate.not_after() - now).count() / 24;
  const std::string when = days == 0   ? "today"
                           : days == 1 ? "in 1 day"
                                       : "in " + std::to_string(days) + " days";
  return which + " expires " + when + ", on " + end;
}

}  // namespace ocsproxy
