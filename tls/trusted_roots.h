// The certificates that upstream certificates must chain to.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tls/openssl.h"

namespace ocsproxy {

// Kept as bytes so that all workers can share it; immutable once it is built.
class TrustedRoots {
 public:
  // Adds all certificates of a PEM text; answers how many. Fails, and adds none, when one of them
  // cannot be parsed.
  Result<std::size_t> add_pem(const Library& library, std::string_view pem);

  bool empty() const { return certificates_.empty(); }
  std::size_t size() const { return certificates_.size(); }
  std::span<const std::vector<unsigned char>> certificates() const { return certificates_; }
  // A hash over all of them: other roots, another text. Empty when there are none.
  const std::string& fingerprint() const { return fingerprint_; }
  // Makes the calling thread's own store of them. Whatever is listed is an anchor, root or not:
  // who lists an intermediate trusts that one alone.
  Result<X509StorePtr> make_store(const Library& library) const;

 private:
  std::vector<std::vector<unsigned char>> certificates_;  // DER
  std::string fingerprint_;
};

}  // namespace ocsproxy
