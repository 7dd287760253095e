// What an upstream SSL object knows about itself beyond OpenSSL. Internal to tls/.
#pragma once

#include <string>

#include "tls/openssl.h"
#include "tls/session_cache.h"

namespace ocsproxy {

// Lives and dies with its SSL object.
struct UpstreamRecord {
  std::string site;    // lower case, no trailing dot: what is verified
  std::string policy;  // UpstreamPolicy::identity()
  bool legacy = false;
  std::string failure;  // why the certificate was not accepted; "" while it was not refused
  SessionCache* sessions = nullptr;  // where new sessions go, under `key`; null before attach()
  SessionCache::Key key;
};

// Null when `ssl` is not from UpstreamContext::new_ssl.
UpstreamRecord* upstream_record(const SSL* ssl);
// Takes the record; false when memory is out.
bool set_upstream_record(SSL* ssl, std::unique_ptr<UpstreamRecord> record);

}  // namespace ocsproxy
