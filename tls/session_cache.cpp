#include "tls/session_cache.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "tls/upstream_record.h"

namespace ocsproxy {
namespace {

bool is_usable(const SSL_SESSION* session) {
  const long age = static_cast<long>(std::time(nullptr)) - SSL_SESSION_get_time(session);
  const long most = std::min(static_cast<long>(SessionCache::kLifetime.count()),
                             SSL_SESSION_get_timeout(session));
  return SSL_SESSION_is_resumable(session) == 1 && age >= 0 && age < most;
}

}  // namespace

void SessionCache::attach(SSL* ssl, const IpAddress& address, std::uint16_t port) {
  UpstreamRecord* const record = upstream_record(ssl);
  if (record == nullptr) return;
  record->sessions = this;
  record->key = {address, port, record->site, record->policy};
  // A session that OpenSSL does not take means a full handshake, nothing worse.
  if (const SslSessionPtr session = take(record->key)) SSL_set_session(ssl, session.get());
}

void SessionCache::put(const Key& key, const SSL_SESSION* session) {
  SslSessionPtr copy(SSL_SESSION_dup(session));
  if (copy == nullptr) return;
  const auto [entry, added] = sessions_.try_emplace(key);
  if (added) {
    entry->second.used = recently_used_.insert(recently_used_.begin(), &entry->first);
  } else {
    recently_used_.splice(recently_used_.begin(), recently_used_, entry->second.used);
  }
  entry->second.session = std::move(copy);
  if (sessions_.size() <= capacity_) return;
  erase(sessions_.find(*recently_used_.back()));
  evicted_.add();
}

SslSessionPtr SessionCache::take(const Key& key) {
  const auto entry = sessions_.find(key);
  if (entry == sessions_.end()) return nullptr;
  SslSessionPtr session = std::move(entry->second.session);
  erase(entry);
  return is_usable(session.get()) ? std::move(session) : nullptr;
}

void SessionCache::retain(std::span<const std::string> policies) {
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    const auto next = std::next(entry);
    if (std::find(policies.begin(), policies.end(), entry->first.policy) == policies.end()) {
      erase(entry);
    }
    entry = next;
  }
}

void SessionCache::erase(Sessions::iterator entry) {
  recently_used_.erase(entry->second.used);
  sessions_.erase(entry);
}

}  // namespace ocsproxy
