#include "settings_text.h"

#include <array>
#include <sstream>

#include "base/units.h"

namespace ocsproxy::settings {
namespace {

std::string version(TlsVersion version) { return "1." + std::to_string(static_cast<int>(version)); }

std::string yes(bool value) { return value ? "yes" : "no"; }

template <typename T>
std::string joined(const std::vector<T>& list, auto&& text) {
  std::string result;
  for (const T& one : list) result += (result.empty() ? "" : ", ") + text(one);
  return result.empty() ? "-" : result;
}

std::string texts(const std::vector<Located<std::string>>& list) {
  return joined(list, [](const auto& one) { return *one; });
}

std::string sources(const std::vector<Source>& list) {
  return joined(list, [](const Source& one) {
    return one.range ? one.range->to_string() : "network " + one.text;
  });
}

std::string path_text(const Path& path) {
  switch (path.kind) {
    case Path::Kind::regex:
      return "regex " + path.external;
    case Path::Kind::prefix:
      return "prefix '" + path.external + "' -> '" + path.internal + "'";
    case Path::Kind::exact:
      return "exact '" + path.external + "' -> '" + path.internal + "'";
  }
  return {};
}

std::string certificate_text(const CertificateFiles& files) {
  return "[chain=" + *files.chain + " key=" + *files.key + " pfx=" + *files.pfx +
         " passphrase=" + *files.passphrase_file + "]";
}

void write(std::ostream& out, const Listener& listener) {
  out << "listener " << *listener.name << "\n  networks " << texts(listener.networks)
      << "\n  addresses "
      << joined(listener.addresses, [](const auto& one) { return one->to_string(); })
      << " interface '" << *listener.interface << "' freebind " << yes(listener.freebind) << '\n';
  if (listener.http) {
    out << "  http " << *listener.http->port << " redirect "
        << yes(listener.http->redirect_to_https) << '\n';
  }
  if (listener.https) {
    out << "  https " << *listener.https->port << " from TLS "
        << version(*listener.https->minimum_version) << ' '
        << joined(listener.https->certificates, certificate_text) << '\n';
  }
  out << "  connections " << *listener.limits.connections << ", minimum_rate "
      << *listener.limits.minimum_rate << " grace " << format_duration(*listener.limits.grace)
      << "; handshake " << format_duration(*listener.timeouts.handshake) << ", request_head "
      << format_duration(*listener.timeouts.request_head) << ", idle "
      << format_duration(*listener.timeouts.idle) << '\n';
}

void write(std::ostream& out, const Target& to) {
  out << "  to " << *to.site << " at " << texts(to.addresses) << " port " << *to.port
      << " original_host " << yes(to.original_host) << " from TLS " << version(*to.minimum_version)
      << " legacy " << yes(*to.legacy) << " connections " << *to.limits.connections << " queue "
      << *to.limits.queue << '\n';
}

void write(std::ostream& out, const Rule& rule) {
  out << "rule " << *rule.name << ": " << (*rule.action == Action::allow ? "allow" : "deny")
      << (rule.enabled ? "" : ", disabled") << "\n  listener '" << *rule.listener << "' from "
      << sources(rule.from) << " except " << sources(rule.except_from) << "\n  names "
      << texts(rule.public_names) << " methods " << texts(rule.methods) << "\n  paths "
      << joined(rule.paths, path_text) << '\n';
  if (!rule.redirect->empty()) out << "  redirect " << *rule.redirect << '\n';
  if (rule.to) write(out, *rule.to);
  out << "  bridging " << (*rule.bridging == Bridging::https ? "https" : "http") << " delegation "
      << (*rule.delegation == Delegation::client ? "client" : "none") << "; connect "
      << format_duration(*rule.timeouts.connect) << ", queue "
      << format_duration(*rule.timeouts.queue) << ", response_head "
      << format_duration(*rule.timeouts.response_head) << ", idle "
      << format_duration(*rule.timeouts.idle) << '\n';
  if (rule.filter != kNoFilter) out << "  http_filter " << rule.filter << '\n';
}

std::string words_text(const HttpFilter::Words& words) {
  static constexpr std::array kKinds{"any", "allow ", "deny "};
  const std::string kind = kKinds[static_cast<std::size_t>(words.kind)];
  return words.words.empty() ? kind : kind + texts(words.words);
}

std::string told_text(const HttpFilter::Told& told) {
  static constexpr std::array kKinds{"keep", "strip", "replace"};
  return kKinds[static_cast<std::size_t>(told.kind)] +
         (told.text.empty() ? "" : " by '" + told.text + '\'');
}

void write(std::ostream& out, const HttpFilter& filter) {
  static constexpr std::array kPlaces{"url", "request_headers", "response_headers", "request_body",
                                      "response_body"};
  out << "http_filter '" << *filter.name << "' "
      << (*filter.mode == HttpFilter::Mode::report ? "report" : "enforce") << "\n  header "
      << *filter.max_header_length << " url " << *filter.max_url_length << " query "
      << *filter.max_query_length << " payload "
      << (filter.max_payload_length ? std::to_string(**filter.max_payload_length) : "any")
      << "; normalization " << yes(*filter.verify_normalization) << " high_bit "
      << yes(*filter.block_high_bit) << " executables " << yes(*filter.block_windows_executables)
      << "\n  methods " << words_text(filter.methods) << "; extensions "
      << words_text(filter.extensions) << "; request_headers " << texts(filter.request_headers)
      << "; response_headers " << texts(filter.response_headers) << "; server "
      << told_text(filter.server_header) << ", via " << told_text(filter.via_header) << '\n';
  for (const HttpFilter::Signature& signature : filter.signatures) {
    out << "  signature '" << *signature.name << "' in "
        << kPlaces[static_cast<std::size_t>(*signature.place)] << " first " << *signature.first
        << ": " << *signature.pattern << '\n';
  }
}

void write(std::ostream& out, const Example& example) {
  static constexpr std::array kVerdicts{"allow", "deny", "redirect"};
  out << "example " << example.method << ' ' << (example.https ? "https" : "http") << ' '
      << example.authority << ' ' << example.target << " from " << example.from->to_string()
      << " listener '" << *example.listener << "' rule '" << *example.rule << "' verdict "
      << (example.verdict ? kVerdicts[static_cast<std::size_t>(**example.verdict)] : "any") << '\n';
}

void write(std::ostream& out, const Reach& reach) {
  out << (reach.always ? "always" : "never") << " from " << sources(reach.from) << " reaches "
      << reach.site << ' ' << path_text(reach.path) << '\n';
}

void write(std::ostream& out, const ServiceRecord& record) {
  out << "dns srv " << *record.name << " in " << record.domain << " target '" << *record.target
      << "' port " << *record.port << '\n';
}

void write(std::ostream& out, const AddressRecord& record) {
  out << "dns host " << *record.host << ": "
      << joined(record.addresses, [](const auto& one) { return one->to_string(); }) << '\n';
}

std::string limits_text(const FloodLimits& limits) {
  return "connections_per_minute " + std::to_string(*limits.connections_per_minute) +
         ", concurrent_connections " + std::to_string(*limits.concurrent_connections) +
         ", half_open " + std::to_string(*limits.half_open) + ", requests_per_minute " +
         std::to_string(*limits.requests_per_minute) + ", denied_per_minute " +
         std::to_string(*limits.denied_per_minute);
}

void write(std::ostream& out, const FloodMitigation& flood) {
  out << "flood_mitigation " << (*flood.enabled ? limits_text(flood.limits) : "off") << '\n';
  for (const FloodException& exception : flood.exceptions) {
    out << "  for " << sources(exception.from) << ": "
        << (*exception.unlimited ? "unlimited" : limits_text(exception.limits)) << '\n';
  }
}

}  // namespace

std::string settings_text(const Settings& settings) {
  std::ostringstream out;
  for (const Network& network : settings.networks) {
    out << "network " << *network.name << ": "
        << joined(network.ranges, [](const auto& one) { return one->to_string(); }) << '\n';
  }
  out << "trusted_roots " << texts(settings.trusted_roots) << '\n';
  for (const Listener& listener : settings.listeners) write(out, listener);
  for (const HttpFilter& filter : settings.http_filters) write(out, filter);
  for (const Rule& rule : settings.rules) write(out, rule);
  for (const Example& example : settings.examples) write(out, example);
  for (const Reach& reach : settings.reaches) write(out, reach);
  for (const ServiceRecord& record : settings.services) write(out, record);
  for (const AddressRecord& record : settings.hosts) write(out, record);
  write(out, settings.flood_mitigation);
  out << "limits memory " << *settings.limits.memory << ", connections "
      << *settings.limits.connections << '\n';
  out << "access_log '" << *settings.access_log.path << "' "
      << (settings.access_log.format == AccessLog::Format::w3c ? "w3c" : "json") << "; workers "
      << *settings.workers << "; drain " << format_duration(*settings.drain) << '\n';
  return out.str();
}

}  // namespace ocsproxy::settings
