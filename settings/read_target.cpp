// A rule's `to`: the internal site, where it is reached, and what TLS to it must be.
#include "settings/addresses.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr NumberRange kQueueRange{0, 1'000'000};
constexpr std::array<Word<TlsVersion>, 4> kVersions{{{"1.0", TlsVersion::tls1_0},
                                                     {"1.1", TlsVersion::tls1_1},
                                                     {"1.2", TlsVersion::tls1_2},
                                                     {"1.3", TlsVersion::tls1_3}}};

void read_addresses(const Node& node, Target& target, Findings& findings) {
  const auto add = [&](const Node& one) {
    if (auto host = read_host(one, "address", findings)) {
      target.addresses.push_back({*std::move(host), one.where});
    }
  };
  if (node.kind == Node::Kind::scalar) {
    add(node);
  } else if (is_list(node, "address", findings)) {
    for (const Node& item : node.items) add(item);
  }
}

void warn_of_legacy(const Target& target, Findings& findings) {
  std::string_view versions;
  if (*target.minimum_version == TlsVersion::tls1_0) versions = "TLS 1.0 and 1.1, ";
  if (*target.minimum_version == TlsVersion::tls1_1) versions = "TLS 1.1, ";
  findings.warning("legacy-tls", target.legacy.where,
                   "with \"legacy: true\" the way to " + shown(*target.site) +
                       " is weaker: " + std::string(versions) +
                       "SHA-1 signatures and RSA keys of 1024 bits are accepted",
                   "who can break these can pose as the site or read what goes to it; update the "
                   "site, then remove the line");
}

void read_tls(const Node& node, Target& target, Findings& findings) {
  Fields fields(node, "\"tls\"", findings);
  fields.word("minimum_version", kVersions, target.minimum_version);
  fields.boolean("legacy", target.legacy);
  fields.finish();
  // Who says `legacy` and nothing else has a server that knows no better than TLS 1.0.
  if (*target.legacy && !fields.has("minimum_version")) {
    target.minimum_version = {TlsVersion::tls1_0, {}};
  }
  if (*target.minimum_version < TlsVersion::tls1_2 && !*target.legacy) {
    findings.error("old-tls", target.minimum_version.where,
                   "TLS below 1.2 is refused unless \"legacy: true\" stands beside it",
                   "write  tls: {minimum_version: \"1.2\"}, or add  legacy: true  and know that it "
                   "weakens the way to this site");
  }
  if (*target.legacy) warn_of_legacy(target, findings);
}

}  // namespace

void read_target(const Node& node, Bridging bridging, Target& target, Findings& findings) {
  Fields fields(node, "\"to\"", findings);
  target.where = node.where;
  if (const Node* const site = fields.find("site")) {
    if (auto host = read_host(*site, "site", findings))
      target.site = {*std::move(host), site->where};
  } else if (!fields.has("site")) {
    fields.missing("site", "the name of the internal site, which its certificate is checked for");
  }
  if (const Node* const address = fields.find("address"))
    read_addresses(*address, target, findings);
  if (bridging == Bridging::http) target.port.value = kHttpPort;
  fields.number("port", kPortRange, target.port);
  Located<bool> original_host;
  fields.boolean("original_host", original_host);
  target.original_host = *original_host;
  if (const Node* const limits = fields.find("limits")) {
    Fields limit_fields(*limits, "the \"limits\" of \"to\"", findings);
    limit_fields.number("connections", kConnectionsRange, target.limits.connections);
    limit_fields.number("queue", kQueueRange, target.limits.queue);
    limit_fields.finish();
  }
  const Node* const tls = fields.find("tls");
  fields.finish();
  if (tls != nullptr && bridging == Bridging::https) {
    read_tls(*tls, target, findings);
  } else if (tls != nullptr) {
    findings.error("contradiction", tls->where, "\"tls\" has no meaning with \"bridging: http\"",
                   "remove one of them");
  }
  if (bridging == Bridging::https && IpAddress::parse(*target.site)) {
    findings.warning("site-is-address", target.site.where,
                     "the site's certificate must be for the IP address " + shown(*target.site),
                     "certificates seldom are: name the site as its certificate does, and put the "
                     "address into \"address\"");
  }
}

}  // namespace ocsproxy::settings
