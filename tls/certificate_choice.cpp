#include "tls/certificate_choice.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace ocsproxy {

void CertificateChoice::add(std::shared_ptr<const Certificate> certificate) {
  for (const std::string& name : certificate->dns_names()) {
    const bool wild = name.starts_with("*.");
    (wild ? wildcard_ : exact_).try_emplace(wild ? name.substr(2) : name, certificates_.size());
  }
  certificates_.push_back(std::move(certificate));
}

std::size_t CertificateChoice::choose(std::string_view host) const {
  const std::string name = lower(host);
  if (const auto found = exact_.find(name); found != exact_.end()) return found->second;
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return 0;
  const auto found = wildcard_.find(name.substr(dot + 1));
  const bool covered = found != wildcard_.end() && certificates_[found->second]->covers(name);
  return covered ? found->second : 0;
}

bool CertificateChoice::misdirected(std::size_t chosen, std::string_view public_name) const {
  if (certificates_[chosen]->covers(public_name)) return false;
  return std::ranges::any_of(
      certificates_, [&](const auto& certificate) { return certificate->covers(public_name); });
}

}  // namespace ocsproxy
