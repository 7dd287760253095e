#include "base/text.h"
#include "settings/addresses.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

using std::chrono::hours;

constexpr DurationRange kTimeout{milliseconds(1), hours(24 * 7)};
// Bytes a second.
constexpr NumberRange kRateRange{1, 1'000'000};
constexpr std::array<Word<TlsVersion>, 2> kVersions{
    {{"1.2", TlsVersion::tls1_2}, {"1.3", TlsVersion::tls1_3}}};

void read_networks_of(Fields& fields, Listener& listener, Reading& reading) {
  if (!fields.has("networks")) {
    fields.missing("networks", "whose clients does it serve? for example  networks: [External]");
  }
  const Node* const list = fields.list("networks");
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    if (const auto name = read_text(item, "networks", reading.findings)) {
      listener.networks.push_back({std::string(*name == "*" ? kAnywhere : *name), item.where});
    }
  }
}

void read_addresses(Fields& fields, Listener& listener) {
  fields.text("interface", listener.interface);
  const Node* const list = fields.list("addresses");
  if (fields.has("interface") && fields.has("addresses")) {
    fields.findings().error("contradiction", fields.where(),
                            "a listener has either \"addresses\" or \"interface\"",
                            "with an interface it listens on all addresses of that NIC");
  } else if (!fields.has("interface") && !fields.has("addresses")) {
    fields.missing("addresses", "where does it listen? for example  addresses: [203.0.113.10]");
  }
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    if (const auto address = read_address(item, "addresses", fields.findings())) {
      listener.addresses.push_back({*address, item.where});
    }
  }
}

void read_http(const Node& node, Listener& listener, Findings& findings) {
  enum class Redirect : std::uint8_t { none, https };
  static constexpr std::array<Word<Redirect>, 1> kRedirects{{{"https", Redirect::https}}};
  Fields fields(node, "\"http\"", findings);
  Http& http = listener.http.emplace();
  http.where = node.where;
  fields.number("port", kPortRange, http.port);
  Located<Redirect> redirect;
  fields.word("redirect", kRedirects, redirect);
  http.redirect_to_https = *redirect == Redirect::https;
  fields.finish();
}

void check_certificate(const Fields& fields, Findings& findings) {
  if (fields.has("pfx") && (fields.has("chain") || fields.has("key"))) {
    findings.error("contradiction", fields.where(),
                   "a certificate is either \"pfx\", or \"chain\" and \"key\"");
  }
}

CertificateFiles read_certificate_files(const Node& node, const Reading& reading) {
  Fields fields(node, "a certificate", reading.findings);
  CertificateFiles files;
  files.where = node.where;
  read_file_path(fields, "chain", files.chain, reading);
  read_file_path(fields, "key", files.key, reading);
  read_file_path(fields, "pfx", files.pfx, reading);
  read_file_path(fields, "passphrase_file", files.passphrase_file, reading);
  check_certificate(fields, reading.findings);
  if (!fields.has("pfx")) {
    for (const std::string_view key : {"chain", "key"}) {
      if (!fields.has(key)) {
        fields.missing(key, "{chain: FILE.pem, key: FILE.key}, or {pfx: FILE.pfx}");
      }
    }
  }
  fields.finish();
  return files;
}

void read_https(const Node& node, Listener& listener, const Reading& reading) {
  Fields fields(node, "\"https\"", reading.findings);
  Https& https = listener.https.emplace();
  https.where = node.where;
  fields.number("port", kPortRange, https.port);
  if (const Node* const list = fields.list("certificates")) {
    for (const Node& item : list->items) {
      https.certificates.push_back(read_certificate_files(item, reading));
    }
  } else if (!fields.has("certificates")) {
    fields.missing("certificates",
                   "for example  certificates: [{chain: certs/web.pem, key: certs/web.key}]");
  }
  fields.word("minimum_version", kVersions, https.minimum_version);
  fields.finish();
}

void read_ports(Fields& fields, Listener& listener, const Reading& reading) {
  if (const Node* const node = fields.find("http")) read_http(*node, listener, reading.findings);
  if (const Node* const node = fields.find("https")) read_https(*node, listener, reading);
  if (!fields.has("http") && !fields.has("https")) {
    fields.missing("https", "a listener has \"https\", \"http\" or both");
  }
  if (listener.http && listener.http->redirect_to_https && !fields.has("https")) {
    reading.findings.error("redirect-without-https", listener.http->where,
                           "\"redirect: https\" has nowhere to go: the listener has no \"https\"",
                           "add \"https\", or remove \"redirect\" to serve rules over plain HTTP");
  }
}

void read_limits(Fields& listener_fields, Listener::Limits& limits) {
  const Node* const node = listener_fields.find("limits");
  if (node == nullptr) return;
  Fields fields(*node, "\"limits\"", listener_fields.findings());
  fields.number("connections", kConnectionsRange, limits.connections);
  fields.number("minimum_rate", kRateRange, limits.minimum_rate);
  fields.duration("grace", kTimeout, limits.grace);
  fields.finish();
}

void read_timeouts(Fields& listener_fields, Listener::Timeouts& timeouts) {
  const Node* const node = listener_fields.find("timeouts");
  if (node == nullptr) return;
  Fields fields(*node, "the \"timeouts\" of a listener", listener_fields.findings());
  fields.duration("handshake", kTimeout, timeouts.handshake);
  fields.duration("request_head", kTimeout, timeouts.request_head);
  fields.duration("idle", kTimeout, timeouts.idle);
  fields.finish();
}

}  // namespace

void read_listener(const Node& node, Reading& reading) {
  enum class Authentication : std::uint8_t { none };
  static constexpr std::array<Word<Authentication>, 1> kAuthentications{
      {{"none", Authentication::none}}};
  Fields fields(node, "a listener", reading.findings);
  Listener listener;
  listener.where = node.where;
  read_name(fields, listener.name);
  if (listener.name->empty()) reading.complete.listeners = false;
  read_networks_of(fields, listener, reading);
  read_addresses(fields, listener);
  Located<bool> freebind;
  fields.boolean("freebind", freebind);
  listener.freebind = *freebind;
  read_ports(fields, listener, reading);
  Located<Authentication> authentication;
  fields.word("authentication", kAuthentications, authentication);
  read_limits(fields, listener.limits);
  read_timeouts(fields, listener.timeouts);
  fields.finish();
  reading.settings.listeners.push_back(std::move(listener));
}

}  // namespace ocsproxy::settings
