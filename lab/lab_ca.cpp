#include "lab/lab_ca.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/descriptor.h"
#include "base/files.h"
#include "base/ip_address.h"
#include "base/text.h"
#include "lab/digest.h"
#include "tls/certificate.h"
#include "tls/x509_text.h"

namespace ocsproxy::lab {
namespace {

constexpr std::chrono::hours kRemaining(24);

Error failure(std::string detail) { return Error{.detail = std::move(detail)}; }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Written under another name and moved into place, so that nobody reads half of it, and made with
// its mode, so that nobody reads a key before it is private.
Status write_file(const std::string& path, std::string_view text, mode_t mode) {
  std::error_code ignored;  // the open below says what is wrong
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  const auto fail = [&path](std::string_view what) {
    return failure("cannot " + std::string(what) + ' ' + path + ": " + errno_text(errno));
  };
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) return fail("create");
  if (::fchmod(file.get(), mode) != 0) return fail("set the mode of");
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail("write");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return fail("put in place");
  return Done{};
}

// The key goes first: a certificate without its key is made again, a key without its certificate
// would look like somebody else's.
Status write_pair(const CertificatePaths& paths, const MadeCertificate& made) {
  if (paths.key == paths.certificate) {
    return write_file(paths.certificate, made.certificate + made.key, 0600);
  }
  if (auto written = write_file(paths.key, made.key, 0600); !written) return written;
  return write_file(paths.certificate, made.certificate, 0644);
}

// The name of who issued the first certificate of a PEM text; empty when there is none.
std::optional<std::string> issuer_of(std::string_view pem) {
  const BioPtr bio = memory_bio(pem);
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    static_cast<void>(openssl_errors());
    return std::nullopt;
  }
  return name_text(X509_get_issuer_name(certificate.get()));
}

// What stands at a pair of paths.
struct Pair {
  enum class Kind : std::uint8_t { missing, foreign, lab };
  Kind kind = Kind::missing;
  MadeCertificate pem;
  ParsedCertificate parsed;
};

Result<Pair> read_pair(const Library& library, const CertificatePaths& paths) {
  Pair pair;
  if (!exists(paths.certificate)) {
    if (!exists(paths.key)) return pair;
    return failure(paths.key + " exists, but " + paths.certificate +
                   " does not: the lab does not overwrite a key that may be somebody else's; move "
                   "it away, or put its certificate beside it");
  }
  DiskFiles files;
  auto certificate = files.read(paths.certificate);
  if (!certificate) return std::move(certificate).error();
  pair.kind = issuer_of(*certificate).value_or("").starts_with(kAuthorityName)
                  ? Pair::Kind::lab
                  : Pair::Kind::foreign;
  pair.pem.certificate = std::move(*certificate);
  if (exists(paths.key)) {
    auto key = files.read(paths.key);
    if (!key) return std::move(key).error();
    pair.pem.key = std::move(*key);
  }
  pair.parsed = Certificate::from_pem(library, pair.pem.certificate, pair.pem.key, Secret());
  return pair;
}

// Why the lab's own certificate is to be made again; "" when it is good.
std::string fault_of(const Pair& pair, LabCa::Time now) {
  const Certificate* const certificate = pair.parsed.certificate.get();
  if (certificate == nullptr) return pair.parsed.detail;
  if (certificate->not_after() < now + kRemaining) {
    return "it expires on " + utc_text(certificate->not_after());
  }
  if (certificate->not_before() > now) {
    return "it is valid only from " + utc_text(certificate->not_before());
  }
  return "";
}

std::string missing_name(const Certificate& certificate, const std::vector<std::string>& names,
                         const std::vector<std::string>& addresses) {
  for (const std::string& name : names) {
    if (std::ranges::find(certificate.dns_names(), lower(name)) == certificate.dns_names().end()) {
      return name;
    }
  }
  for (const std::string& text : addresses) {
    const auto address = IpAddress::parse(text);
    if (address &&
        std::ranges::find(certificate.addresses(), *address) == certificate.addresses().end()) {
      return text;
    }
  }
  return "";
}

// Tells two authorities apart that were made one after the other, even where people go by names.
std::string new_authority_name(const Library& library) {
  std::array<unsigned char, 4> number{};
  library.random(number);
  return std::string(kAuthorityName) + ' ' + to_hex(number);
}

}  // namespace

LabCa::LabCa(const Library& library, CertificatePaths paths, const Log& log, Time now,
             MadeCertificate authority, std::string name)
    : library_(&library),
      log_(&log),
      paths_(std::move(paths)),
      now_(now),
      authority_(std::move(authority)),
      name_(std::move(name)) {}

Result<LabCa> LabCa::open(const Library& library, CertificatePaths paths, const Log& log,
                          Time now) {
  auto pair = read_pair(library, paths);
  if (!pair) return std::move(pair).error();
  if (pair->kind == Pair::Kind::foreign) {
    return failure(paths.certificate +
                   " was not made by the lab (its issuer's name does not begin "
                   "with \"" +
                   std::string(kAuthorityName) +
                   "\"), so the lab cannot issue "
                   "certificates with it; name another file for the lab's root CA");
  }
  std::string reason;
  if (pair->kind == Pair::Kind::lab) {
    reason = fault_of(*pair, now);
    if (reason.empty()) {
      std::string name = pair->parsed.certificate->subject();
      return LabCa(library, std::move(paths), log, now, std::move(pair->pem), std::move(name));
    }
  }
  std::string name = new_authority_name(library);
  auto made = make_certificate(library, authority_request(name));
  if (!made) return std::move(made).error();
  if (auto written = write_pair(paths, *made); !written) return std::move(written).error();
  log.info("lab: made " + paths.certificate + ", the root CA \"" + name + '"' +
           (reason.empty() ? "" : "; the one before could not stay: " + reason));
  return LabCa(library, std::move(paths), log, now, std::move(*made), std::move(name));
}

Result<MadeCertificate> LabCa::issue(const CertificatePaths& paths, std::vector<std::string> names,
                                     std::vector<std::string> addresses) const {
  auto pair = read_pair(*library_, paths);
  if (!pair) return std::move(pair).error();
  const Certificate* const found = pair->parsed.certificate.get();
  if (pair->kind == Pair::Kind::foreign) {
    if (found != nullptr) return std::move(pair->pem);
    return failure(paths.certificate +
                   " was not made by the lab, which therefore does not replace "
                   "it, and cannot be used: " +
                   pair->parsed.detail);
  }
  std::string reason;
  if (pair->kind == Pair::Kind::lab) {
    reason = fault_of(*pair, now_);
    if (reason.empty() && found->issuer() != name_) reason = "it is of another root CA";
    if (reason.empty()) {
      const std::string name = missing_name(*found, names, addresses);
      if (name.empty()) return std::move(pair->pem);
      reason = "it is not for " + name;
    }
  }
  const std::string subject = names.empty() ? "an address" : names.front();
  CertificateRequest request = server_request(std::move(names));
  request.ip_addresses = std::move(addresses);
  auto made = make_certificate(*library_, request, &authority_);
  if (!made) return std::move(made).error();
  if (auto written = write_pair(paths, *made); !written) return std::move(written).error();
  log_->info("lab: made " + paths.certificate + " for " + subject +
             (reason.empty() ? "" : "; the one before could not stay: " + reason));
  return made;
}

bool LabCa::made(const std::string& path) {
  DiskFiles files;
  const auto pem = files.read(path);
  return pem && issuer_of(*pem).value_or("").starts_with(kAuthorityName);
}

}  // namespace ocsproxy::lab
