// The TLS sessions of upstream connections, kept so that the next connection need not verify again.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <string>

#include "base/counter.h"
#include "base/ip_address.h"
#include "tls/openssl.h"

namespace ocsproxy {

// One worker's sessions: for each address, port, site and TLS policy the newest one. Site and
// policy are those that the SSL object was made with, so that a session never resumes where
// another name or other roots would have been asked for. Bounded; the least recently used goes
// first. One thread; must outlive the SSL objects that were attached to it.
class SessionCache {
 public:
  // A session is offered for at most this long, though servers promise more: a site's new
  // certificate, or the end of its old one, is noticed within that time.
  static constexpr std::chrono::seconds kLifetime{3600};

  // `evicted` counts the sessions that made room, and outlives the cache.
  explicit SessionCache(Counter& evicted, std::size_t capacity = 1024)
      : evicted_(evicted), capacity_(capacity) {}

  // Offers the kept session, if any, in the handshake of `ssl`, and keeps what the site sends
  // from then on. The session is taken for that: a TLS 1.3 session is offered once (RFC 8446 C.4),
  // an older one comes back when accept_upstream_handshake finds that all went well, so that one
  // which the site chokes on is not offered again. Precondition: `ssl` is from
  // UpstreamContext::new_ssl and its handshake has not begun.
  void attach(SSL* ssl, const IpAddress& address, std::uint16_t port);

  // Drops the sessions of all policies but those whose identities are named.
  void retain(std::span<const std::string> policies);

  std::size_t size() const { return sessions_.size(); }

  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  struct Key {
    IpAddress address;
    std::uint16_t port = 0;
    std::string site;
    std::string policy;
    friend auto operator<=>(const Key&, const Key&) = default;  // NOLINT(modernize-use-nullptr)
  };
  // Keeps a copy of `session` as the newest for `key`: OpenSSL declares its own object worthless
  // when the connection ends without close_notify, as connections do.
  void put(const Key& key, const SSL_SESSION* session);

 private:
  struct Entry {
    SslSessionPtr session;
    std::list<const Key*>::iterator used;
  };
  using Sessions = std::map<Key, Entry>;

  SslSessionPtr take(const Key& key);
  void erase(Sessions::iterator entry);

  Counter& evicted_;
  std::size_t capacity_;
  Sessions sessions_;
  std::list<const Key*> recently_used_;  // the latest first; points at the keys of sessions_
};

}  // namespace ocsproxy
