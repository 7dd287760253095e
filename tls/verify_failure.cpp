#include "tls/verify_failure.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include "base/text.h"
#include "tls/upstream_record.h"
#include "tls/x509_text.h"

namespace ocsproxy {
namespace {

constexpr std::string_view kLegacyAdvice =
    "`to.tls.legacy: true` would accept it for this target alone";

// What verification stopped at.
struct Refused {
  X509* certificate;
  int depth;
  int code;
  const std::string& site;

  bool is_leaf() const { return depth == 0; }
  std::string subject() const { return name_text(X509_get_subject_name(certificate)); }
  std::string issuer() const { return name_text(X509_get_issuer_name(certificate)); }
  // "the certificate of ocspool.contoso.local", "the CA certificate "OCS-ROOTCA" in its chain"
  std::string which() const {
    if (is_leaf()) return "the certificate of " + site;
    return "the CA certificate \"" + subject() + "\" in the chain of " + site;
  }
};

// How its CA publishes it, and how it can be told from another of the same name.
std::string fingerprint_text(const X509* certificate) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  std::string text = " (SHA-256 ";
  for (const unsigned char byte : std::span(digest).first(size)) {
    text.append(1, kHex[byte >> 4U]).append(1, kHex[byte & 15U]);
  }
  return text + ')';
}

std::string names_text(const X509* certificate) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> names;
  for (const std::string& name : dns_names_of(certificate)) names.push_back(escaped(name));
  for (const IpAddress& address : addresses_of(certificate)) names.push_back(address.to_string());
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    if (i > 0) text += ", ";
    text += names[i];
  }
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

std::string wrong_name(const Refused& refused) {
  const std::string names = names_text(refused.certificate);
  if (!names.empty() && refused.code == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return refused.which() + " names [" + names +
           "], not the address (which must be a subject alternative name of type IP); name the "
           "host as `site` and this address as `address`";
  }
  if (!names.empty())
    return refused.which() + " names [" + names + "], not the site; write one of them as `site`";
  const std::string common_name = common_name_of(refused.certificate);
  std::string text = refused.which() + " has no subject alternative names";
  if (!common_name.empty()) {
    text += ", only the common name \"" + common_name + "\", which counts for nothing";
  }
  return text + "; issue it again with the site as a subject alternative name";
}

std::string unknown_issuer(const Refused& refused) {
  const std::string issuer = "\"" + refused.issuer() + "\"";
  std::string text =
      refused.which() + " was issued by " + issuer + ", which is not in trusted_roots; ";
  if (refused.is_leaf()) {
    return text + "add that root; if " + issuer +
           " is an intermediate CA, the site does not send it: install it there";
  }
  return text + "add that root";
}

std::string too_weak(const Refused& refused) {
  if (refused.code == X509_V_ERR_CA_MD_TOO_WEAK) {
    return refused.which() + " is signed with " + digest_text(refused.certificate) +
           ", which is too weak";
  }
  EVP_PKEY* const key = X509_get0_pubkey(refused.certificate);
  return refused.which() + " has a key that is too weak (" +
         (key != nullptr ? key_text(key) : "unknown") + ")";
}

std::string complaint(const Refused& refused) {
  X509* const certificate = refused.certificate;
  switch (refused.code) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return wrong_name(refused);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return unknown_issuer(refused);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return refused.which() + " is self-signed and not in trusted_roots" +
             fingerprint_text(certificate);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the certificate of " + refused.site + " chains to \"" + refused.subject() +
             "\", which is not in trusted_roots; add that root" + fingerprint_text(certificate);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return refused.which() + " is not valid before " +
             utc_text(time_of(X509_get0_notBefore(certificate))) +
             "; is this machine's clock right?";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return refused.which() + " expired on " + utc_text(time_of(X509_get0_notAfter(certificate)));
    case X509_V_ERR_INVALID_PURPOSE:
      return refused.which() + (refused.is_leaf()
                                    ? " is not for servers: its extended key usage lacks server "
                                      "authentication"
                                    : " may not issue certificates for servers");
    case X509_V_ERR_INVALID_CA:
      return refused.which() + " is not that of a CA, so it may not issue certificates";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return too_weak(refused);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return refused.which() + " is not signed by the \"" + refused.issuer() +
             "\" that is in trusted_roots: a CA of the same name with another key";
    default:
      return refused.which() + " is not accepted: " + X509_verify_cert_error_string(refused.code);
  }
}

// What would help against a failure.
enum class Help : std::uint8_t { none, legacy, version };

// What the first error in OpenSSL's queue means to the administrator.
struct Meaning {
  int reason;
  ErrorKind kind;
  Help help;
  std::string_view text;
};

void append_help(std::string& text, Help help, bool is_legacy) {
  if (help == Help::legacy && !is_legacy) {
    text += "; `to.tls.legacy: true` may help, for this target alone";
  }
  if (help != Help::version) return;
  text += "; lower `to.tls.minimum_version`";
  if (!is_legacy) text += " (below 1.2 it also needs `to.tls.legacy: true`)";
}

constexpr std::array kUpstreamMeanings{
    Meaning{SSL_R_WRONG_VERSION_NUMBER, ErrorKind::tls, Help::none,
            "answers with something that is not TLS; if it speaks plain HTTP on this port, the "
            "rule needs `bridging: http`"},
    Meaning{SSL_R_PACKET_LENGTH_TOO_LONG, ErrorKind::tls, Help::none,
            "answers with something that is not TLS"},
    Meaning{SSL_R_UNEXPECTED_EOF_WHILE_READING, ErrorKind::truncated, Help::none,
            "ended the connection in the middle of the TLS handshake"},
    Meaning{SSL_R_UNSUPPORTED_PROTOCOL, ErrorKind::tls, Help::version,
            "speaks only older TLS versions"},
    Meaning{SSL_R_VERSION_TOO_LOW, ErrorKind::tls, Help::version, "speaks only older TLS versions"},
    Meaning{SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, ErrorKind::tls, Help::legacy,
            "does not know secure renegotiation (RFC 5746): it lacks updates of 2010"},
    Meaning{SSL_R_DH_KEY_TOO_SMALL, ErrorKind::tls, Help::legacy,
            "uses Diffie-Hellman parameters that are too small"},
    Meaning{SSL_R_EE_KEY_TOO_SMALL, ErrorKind::tls, Help::legacy, "has a key that is too small"},
    Meaning{SSL_R_WRONG_SIGNATURE_TYPE, ErrorKind::tls, Help::legacy,
            "signs the handshake in a way that is too weak"},
    Meaning{SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, ErrorKind::tls, Help::version,
            "refuses our TLS versions"},
    Meaning{SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, ErrorKind::tls, Help::legacy,
            "refuses the handshake: it has no cipher or TLS version in common with us, or it wants "
            "a client certificate"},
    Meaning{
        SSL_R_BAD_EXTENSION, ErrorKind::tls, Help::none,
        "answers with a TLS extension that breaks the protocol, for example another application "
        "protocol (ALPN) than http/1.1"},
    Meaning{SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, ErrorKind::tls, Help::none,
            "refuses our ciphers as too weak"},
    Meaning{SSL_R_TLSV1_UNRECOGNIZED_NAME, ErrorKind::tls, Help::none,
            "does not know this name (SNI): is `site` a name of that server?"},
    Meaning{SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, ErrorKind::tls, Help::none,
            "wants a client certificate, which is not supported"},
};

constexpr std::array kClientMeanings{
    Meaning{SSL_R_HTTP_REQUEST, ErrorKind::tls, Help::none, "plain HTTP on the TLS port"},
    Meaning{SSL_R_HTTPS_PROXY_REQUEST, ErrorKind::tls, Help::none, "plain CONNECT on the TLS port"},
    Meaning{SSL_R_WRONG_VERSION_NUMBER, ErrorKind::tls, Help::none, "not TLS"},
    Meaning{SSL_R_PACKET_LENGTH_TOO_LONG, ErrorKind::tls, Help::none, "not TLS"},
    Meaning{SSL_R_UNEXPECTED_EOF_WHILE_READING, ErrorKind::truncated, Help::none,
            "ended in the handshake"},
    Meaning{SSL_R_UNSUPPORTED_PROTOCOL, ErrorKind::tls, Help::none,
            "TLS version below the listener's minimum"},
    Meaning{SSL_R_VERSION_TOO_LOW, ErrorKind::tls, Help::none,
            "TLS version below the listener's minimum"},
    Meaning{SSL_R_NO_SHARED_CIPHER, ErrorKind::tls, Help::none, "no cipher in common"},
    Meaning{SSL_R_NO_SUITABLE_KEY_SHARE, ErrorKind::tls, Help::none, "no group in common"},
    Meaning{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, ErrorKind::tls, Help::none,
            "no signature algorithm in common"},
    Meaning{SSL_R_NO_APPLICATION_PROTOCOL, ErrorKind::tls, Help::none, "ALPN without http/1.1"},
    Meaning{SSL_R_INAPPROPRIATE_FALLBACK, ErrorKind::tls, Help::none, "fell back to an older TLS"},
};

const Meaning* find(std::span<const Meaning> meanings, unsigned long code) {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return nullptr;
  const int reason = ERR_GET_REASON(code);
  const auto found = std::find_if(meanings.begin(), meanings.end(),
                                  [&](const Meaning& meaning) { return meaning.reason == reason; });
  return found != meanings.end() ? &*found : nullptr;
}

// The name of the alert that the peer sent, "" when the error is no alert.
std::string_view alert_of(unsigned long code) {
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) != ERR_LIB_SSL || reason < SSL_AD_REASON_OFFSET ||
      reason > SSL_AD_REASON_OFFSET + 255) {
    return {};
  }
  return SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
}

bool is_certificate_alert(unsigned long code) {
  switch (ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
      return true;
    default:
      return false;
  }
}

Error handshake_error(Side side, Phase phase) {
  Error error;
  error.kind = ErrorKind::tls;
  error.side = side;
  error.phase = phase;
  return error;
}

}  // namespace

std::string verify_failure(X509_STORE_CTX* verification, const std::string& site, bool legacy) {
  const Refused refused{X509_STORE_CTX_get_current_cert(verification),
                        X509_STORE_CTX_get_error_depth(verification),
                        X509_STORE_CTX_get_error(verification), site};
  if (refused.certificate == nullptr) {
    return "the certificate of " + site +
           " is not accepted: " + X509_verify_cert_error_string(refused.code);
  }
  std::string text = complaint(refused);
  const bool weak = refused.code == X509_V_ERR_EE_KEY_TOO_SMALL ||
                    refused.code == X509_V_ERR_CA_KEY_TOO_SMALL ||
                    refused.code == X509_V_ERR_CA_MD_TOO_WEAK;
  if (weak && !legacy) text.append("; ").append(kLegacyAdvice);
  return text;
}

Error upstream_handshake_failure(const SSL* ssl) {
  Error error = handshake_error(Side::upstream, Phase::upstream_handshake);
  const UpstreamRecord* const record = upstream_record(ssl);
  const unsigned long code = ERR_peek_error();
  if (record != nullptr && !record->failure.empty()) {
    error.kind = ErrorKind::untrusted;
    error.detail = record->failure;
    ERR_clear_error();
    return error;
  }
  error.detail = record != nullptr ? record->site : "the site";
  if (const Meaning* const meaning = find(kUpstreamMeanings, code)) {
    error.kind = meaning->kind;
    error.detail.append(" ").append(meaning->text);
    append_help(error.detail, meaning->help, record != nullptr && record->legacy);
  } else if (const std::string_view alert = alert_of(code); !alert.empty()) {
    error.detail.append(" refuses the handshake with the alert \"").append(alert).append("\"");
  } else {
    error.detail.append(": the TLS handshake failed: ").append(openssl_errors());
  }
  ERR_clear_error();
  return error;
}

Error client_handshake_failure(const SSL* ssl) {
  Error error = handshake_error(Side::client, Phase::handshake);
  const unsigned long code = ERR_peek_error();
  if (const Meaning* const meaning = find(kClientMeanings, code)) {
    error.kind = meaning->kind;
    error.detail = meaning->text;
  } else if (const std::string_view alert = alert_of(code); !alert.empty()) {
    error.detail = is_certificate_alert(code) ? "client does not accept our certificate: alert "
                                              : "client refuses: alert ";
    error.detail += alert;
  } else {
    error.detail = "TLS handshake failed: " + openssl_errors();
  }
  if (const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
    error.detail += " (SNI " + escaped(name) + ")";
  }
  ERR_clear_error();
  return error;
}

}  // namespace ocsproxy
