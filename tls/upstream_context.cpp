#include "tls/upstream_context.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/tls1.h>

#include "base/ip_address.h"
#include "base/text.h"
#include "tls/post_handshake.h"
#include "tls/protocol.h"
#include "tls/upstream_record.h"
#include "tls/verify_failure.h"

namespace ocsproxy {
namespace {

void free_record(void*, void* record, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<UpstreamRecord*>(record);  // OpenSSL's slot is the owner
}

int record_slot() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_record);
  return index;
}

// `legacy` puts OpenSSL's own floor to zero, and this one in its place: RSA from 1024 bits on (80
// bits of security), and SHA-1 but not the digests for which colliding certificates were made. The
// anchor's own signature is not looked at: it is trusted for standing in trusted_roots.
// Answers what is wrong with the certificate at hand.
int legacy_complaint(X509_STORE_CTX* verification) {
  X509* const certificate = X509_STORE_CTX_get_current_cert(verification);
  const bool is_anchor = X509_STORE_CTX_get_error_depth(verification) ==
                         sk_X509_num(X509_STORE_CTX_get0_chain(verification)) - 1;
  int digest = NID_undef;
  X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr);
  const bool broken = digest == NID_md5 || digest == NID_md4 || digest == NID_md2;
  if (broken && !is_anchor) return X509_V_ERR_CA_MD_TOO_WEAK;
  constexpr int kLeastBits = 80;
  const EVP_PKEY* const key = X509_get0_pubkey(certificate);
  const bool strong = key != nullptr && EVP_PKEY_get_security_bits(key) >= kLeastBits;
  return strong ? X509_V_OK : X509_V_ERR_EE_KEY_TOO_SMALL;
}

// Called by OpenSSL for each certificate that passed, and for each complaint. It never turns a
// complaint into consent.
int on_verify(int good, X509_STORE_CTX* verification) {
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  UpstreamRecord* const record = upstream_record(ssl);
  if (record == nullptr) return 0;
  if (good == 1) {
    const int complaint = record->legacy ? legacy_complaint(verification) : X509_V_OK;
    if (complaint == X509_V_OK) return 1;
    X509_STORE_CTX_set_error(verification, complaint);
  }
  record->failure = verify_failure(verification, record->site, record->legacy);
  return 0;
}

int on_session(SSL* ssl, SSL_SESSION* session) {
  const UpstreamRecord* const record = upstream_record(ssl);
  if (record != nullptr && record->sessions != nullptr) {
    record->sessions->put(record->key, session);
  }
  return 0;  // the reference stays with OpenSSL
}

Error failure(std::string detail) {
  Error error;
  error.kind = ErrorKind::tls;
  error.phase = Phase::upstream_handshake;
  error.detail = std::move(detail);
  return error;
}

bool expect_site(SSL* ssl, const std::string& site) {
  X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl);
  if (IpAddress::parse(site)) {
    return X509_VERIFY_PARAM_set1_ip_asc(expected, site.c_str()) == 1;
  }
  X509_VERIFY_PARAM_set_hostflags(
      expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(expected, site.data(), site.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl, site.c_str()) == 1;
}

}  // namespace

UpstreamRecord* upstream_record(const SSL* ssl) {
  return static_cast<UpstreamRecord*>(SSL_get_ex_data(ssl, record_slot()));
}

bool set_upstream_record(SSL* ssl, std::unique_ptr<UpstreamRecord> record) {
  if (SSL_set_ex_data(ssl, record_slot(), record.get()) != 1) return false;
  static_cast<void>(record.release());  // free_record deletes it
  return true;
}

std::string UpstreamPolicy::identity() const {
  std::string text = roots->fingerprint();
  text += ' ';
  text += static_cast<char>('0' + static_cast<int>(minimum_version));
  if (legacy) text += 'L';
  return text;
}

Result<std::unique_ptr<UpstreamContext>> UpstreamContext::make(const Library& library,
                                                               const UpstreamPolicy& policy) {
  using settings::TlsVersion;
  const TlsVersion least = policy.legacy ? TlsVersion::tls1_0 : TlsVersion::tls1_2;
  auto context =
      make_context(library, TLS_client_method(), std::max(policy.minimum_version, least));
  if (!context) return std::move(context).error();
  auto store = policy.roots->make_store(library);
  if (!store) return std::move(store).error();
  SSL_CTX* const raw = context->get();
  SSL_CTX_set1_cert_store(raw, store->get());
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION);
  if (policy.legacy) {
    SSL_CTX_set_security_level(raw, 0);
    SSL_CTX_set_options(raw, SSL_OP_LEGACY_SERVER_CONNECT);
  } else {
    SSL_CTX_clear_options(raw, SSL_OP_LEGACY_SERVER_CONNECT);
  }
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, on_verify);
  X509_VERIFY_PARAM* const expected = SSL_CTX_get0_param(raw);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, on_session);
  watch_post_handshake(raw);

  std::array<unsigned char, 1 + kProtocol.size()> offered{kProtocol.size()};
  std::copy(kProtocol.begin(), kProtocol.end(), offered.begin() + 1);
  const bool offering =  // of all of OpenSSL's setters this one answers 0 for success
      SSL_CTX_set_alpn_protos(raw, offered.data(), offered.size()) == 0;
  if (!offering || SSL_CTX_set_cipher_list(raw, upstream_ciphers()) != 1 ||
      X509_VERIFY_PARAM_set_purpose(expected, X509_PURPOSE_SSL_SERVER) != 1) {
    return context_error();
  }
  return std::unique_ptr<UpstreamContext>(
      new UpstreamContext(std::move(*context), policy.identity(), policy.legacy));
}

Result<SslPtr> UpstreamContext::new_ssl(std::string_view site) const {
  if (site.ends_with('.')) site.remove_suffix(1);
  // OpenSSL would take a leading dot for "any host below".
  if (site.empty() || site.front() == '.') {
    return failure("\"" + escaped(site) + "\" is no host name that a certificate could be for");
  }
  SslPtr ssl(SSL_new(context_.get()));
  auto record = std::make_unique<UpstreamRecord>();
  record->site = lower(site);
  record->policy = identity_;
  record->legacy = legacy_;
  const std::string name = record->site;
  if (ssl == nullptr || !expect_site(ssl.get(), name) ||
      !set_upstream_record(ssl.get(), std::move(record))) {
    return failure("TLS cannot ask for the site \"" + escaped(name) + "\": " + openssl_errors());
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

Status accept_upstream_handshake(const SSL* ssl) {
  if (SSL_get0_peer_certificate(ssl) == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) {
    Error error = failure("the site's certificate is not verified");
    error.kind = ErrorKind::untrusted;
    error.side = Side::upstream;
    return error;
  }
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &size);
  const std::string_view chosen(reinterpret_cast<const char*>(protocol), size);
  if (!chosen.empty() && chosen != kProtocol) {
    Error error = failure("the site chose the protocol \"" + escaped(chosen) +
                          "\" (ALPN), which was not offered");
    error.side = Side::upstream;
    return error;
  }
  // A session of TLS 1.2 is as good as before when it was resumed; the site sends no new one.
  const UpstreamRecord* const record = upstream_record(ssl);
  if (record != nullptr && record->sessions != nullptr && SSL_version(ssl) < TLS1_3_VERSION &&
      SSL_session_reused(ssl) == 1) {
    record->sessions->put(record->key, SSL_get0_session(ssl));
  }
  return Done{};
}

}  // namespace ocsproxy
