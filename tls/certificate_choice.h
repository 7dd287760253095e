// Which of a listener's certificates a client is shown.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tls/certificate.h"

namespace ocsproxy {

// Immutable but for `add`; any thread.
class CertificateChoice {
 public:
  // The next certificate of the listener; the first is the default.
  void add(std::shared_ptr<const Certificate> certificate);

  // For this host: one that has the very name, else one whose wildcard covers it, else the first.
  // `host` as SNI sends it, without a last dot; "" when none was sent.
  std::size_t choose(std::string_view host) const;
  // Does another certificate than `chosen` cover the name, and `chosen` not?
  bool misdirected(std::size_t chosen, std::string_view public_name) const;

  const Certificate& operator[](std::size_t index) const { return *certificates_[index]; }

 private:
  std::vector<std::shared_ptr<const Certificate>> certificates_;
  std::unordered_map<std::string, std::size_t> exact_;     // name to index
  std::unordered_map<std::string, std::size_t> wildcard_;  // "contoso.com" for "*.contoso.com"
};

}  // namespace ocsproxy
