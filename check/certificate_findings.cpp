#include "check/certificate_findings.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <openssl/x509v3.h>

#include "tls/read_certificates.h"
#include "tls/x509_bytes.h"

namespace ocsproxy {
namespace {

bool issued(const X509* issuer, const X509* subject) {
  // OpenSSL 3.0 wants the issuer writable, and caches in it what it read.
  return X509_check_issued(const_cast<X509*>(issuer), const_cast<X509*>(subject)) == X509_V_OK;
}

std::string subject_of(const X509* certificate) {
  return name_text(X509_get_subject_name(certificate));
}

// The roots that clients may be expected to have: those of the configuration, which are known
// inside, and those of this machine, which stand for all that the public knows.
class KnownRoots {
 public:
  KnownRoots(const Configuration& configuration, const Library& library, Files& files,
             CertificateTime now)
      : configured_(configuration.roots), library_(library), files_(files), now_(now) {}

  bool inside(const X509* certificate) const {
    return configured_ != nullptr && holds_issuer(*configured_, certificate);
  }

  // Empty: the machine's own store, which is read when it is first asked, is not there.
  std::optional<bool> in_public(const X509* certificate) {
    if (!system_) {
      Findings unread;
      const std::array<Located<std::string>, 1> system{{{"system", {}}}};
      system_ = read_trusted_roots(library_, system, files_, now_, unread);
    }
    if (*system_ == nullptr) return std::nullopt;
    return holds_issuer(**system_, certificate);
  }

 private:
  bool holds_issuer(const TrustedRoots& roots, const X509* certificate) const {
    return std::ranges::any_of(roots.certificates(), [&](const auto& der) {
      const X509Ptr root = parse_der_certificate(library_, der);
      return root != nullptr && ocsproxy::issued(root.get(), certificate);
    });
  }

  const std::shared_ptr<const TrustedRoots> configured_;
  const Library& library_;
  Files& files_;
  const CertificateTime now_;
  std::optional<std::shared_ptr<const TrustedRoots>> system_;
};

// One certificate of a listener with the issuers that stand behind it in its file.
class Chain {
 public:
  Chain(const Certificate& certificate, const Library& library, Location where, Findings& findings)
      : name_(certificate.subject()), where_(where), findings_(findings) {
    for (const auto& der : certificate.chain()) {
      certificates_.push_back(parse_der_certificate(library, der));
    }
    walk();
  }

  // `for_public`: clients outside are shown it.
  void check(KnownRoots& roots, bool for_public, CertificateTime now) const {
    check_order();
    check_surplus();
    check_issuers(now);
    check_root(roots, for_public);
  }

 private:
  void check_root(KnownRoots& roots, bool for_public) const {
    const X509* const last = certificates_[path_.back()].get();
    const bool whole = X509_self_signed(const_cast<X509*>(last), 0) == 1 || roots.inside(last);
    if ((whole && !for_public) || roots.in_public(last).value_or(true)) return;
    if (whole) {
      findings_.note("certificate-of-private-ca", where_,
                     "no public CA has issued the certificate of " + name_ + ", but " +
                         name_text(X509_get_issuer_name(last)),
                     "clients outside refuse the site unless they were given that root, which "
                     "phones and visitors seldom are; take a certificate of a public CA");
      return;
    }
    findings_.warning("certificate-chain-incomplete", where_,
                      "the chain of " + name_ +
                          " is not complete: " + name_text(X509_get_issuer_name(last)) +
                          ", which issued its last certificate, is not in the file, and no known "
                          "root",
                      "clients that do not know it refuse the site; append the intermediate "
                      "certificates that the CA publishes, the issuer of the leaf first");
  }

  // From issuer to issuer, as far as the file has them.
  void walk() {
    path_.push_back(0);
    while (path_.size() < certificates_.size()) {
      const X509* const last = certificates_[path_.back()].get();
      std::size_t next = 0;
      while (next < certificates_.size() && (std::ranges::find(path_, next) != path_.end() ||
                                             !issued(certificates_[next].get(), last))) {
        ++next;
      }
      if (next == certificates_.size()) return;
      path_.push_back(next);
    }
  }

  void check_order() const {
    if (std::ranges::is_sorted(path_)) return;
    std::string order;
    for (const std::size_t at : path_) {
      order += (order.empty() ? "" : ", then ") + subject_of(certificates_[at].get());
    }
    findings_.warning("certificate-chain-order", where_,
                      "the certificates of the chain of " + name_ + " are not in order",
                      "each one's issuer has to stand behind it: " + order);
  }

  void check_surplus() const {
    std::string surplus;
    for (std::size_t at = 0; at < certificates_.size(); ++at) {
      X509* const one = certificates_[at].get();
      const bool in_path = std::ranges::find(path_, at) != path_.end();
      if (in_path && (at == 0 || X509_self_signed(one, 0) != 1)) continue;
      surplus += (surplus.empty() ? "" : ", ") + subject_of(one);
    }
    if (surplus.empty()) return;
    findings_.note("certificate-chain-surplus", where_,
                   "the chain of " + name_ + " has certificates that no client needs: " + surplus,
                   "a root is of no use to who does not have it already, and what issued nothing "
                   "in the chain neither; remove them");
  }

  void check_issuers(CertificateTime now) const {
    for (const std::size_t at : std::span(path_).subspan(1)) {
      const X509* const issuer = certificates_[at].get();
      const CertificateTime end = time_of(X509_get0_notAfter(issuer));
      if (end >= now) continue;
      findings_.warning(
          "certificate-issuer-expired", where_,
          subject_of(issuer) + " in the chain of " + name_ + " expired on " + utc_text(end),
          "clients may refuse the site; ask the CA for its new intermediate "
          "certificate");
    }
  }

  const std::string name_;
  const Location where_;
  Findings& findings_;
  std::vector<X509Ptr> certificates_;
  std::vector<std::size_t> path_;  // indexes of certificates_, from the leaf on
};

void check_usage(const Certificate& certificate, const Library& library, Location where,
                 Findings& findings) {
  const X509Ptr leaf = parse_der_certificate(library, certificate.chain().front());
  // All bits are set where there is no such extension.
  const std::uint32_t usage = X509_get_extended_key_usage(leaf.get());
  if ((usage & (XKU_SSL_SERVER | XKU_ANYEKU)) != 0) return;
  findings.warning("certificate-usage", where,
                   "the certificate of " + certificate.subject() +
                       " is not for servers: its extended key usage lacks serverAuth",
                   "clients refuse it; issue it again from a template for web servers");
}

void check_key(const Certificate& certificate, Location where, Findings& findings) {
  if (!certificate.key_type().starts_with("RSA")) return;
  findings.note(
      "certificate-rsa", where,
      "the certificate of " + certificate.subject() + " has an " + certificate.key_type() + " key",
      "with a P-256 key a full handshake costs a fraction of the processor's time, and "
      "the certificate is smaller");
}

}  // namespace

void check_certificates(const Configuration& configuration, const Library& library, Files& files,
                        CertificateTime now, Findings& findings) {
  KnownRoots roots(configuration, library, files, now);
  for (std::size_t i = 0; i < configuration.certificates.size(); ++i) {
    const bool for_public =
        std::ranges::any_of(configuration.settings.listeners[i].networks,
                            [](const auto& name) { return *name == settings::kExternal; });
    for (std::size_t k = 0; k < configuration.certificates[i].size(); ++k) {
      const auto& certificate = configuration.certificates[i][k];
      if (certificate == nullptr) continue;
      const auto& from = configuration.settings.listeners[i].https->certificates[k];
      const Location where = from.chain->empty() ? from.pfx.where : from.chain.where;
      Chain(*certificate, library, where, findings).check(roots, for_public, now);
      check_usage(*certificate, library, where, findings);
      check_key(*certificate, where, findings);
    }
  }
}

}  // namespace ocsproxy
