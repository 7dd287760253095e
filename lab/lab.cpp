#include "lab/lab.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/finding.h"
#include "base/text.h"
#include "lab/instructions.h"
#include "lab/lab_ca.h"
#include "settings/load.h"

namespace ocsproxy::lab {
namespace {

using settings::Settings;

// What the administrator has to change in the configuration.
Error failure(std::string detail) {
  return Error{.kind = ErrorKind::malformed, .detail = std::move(detail)};
}

Result<Settings> load_settings(const std::string& path) {
  DiskFiles files;
  auto loaded = settings::load(path, files, settings::NamedFiles::later);
  if (!loaded) return std::move(loaded).error();
  if (loaded->findings.has_errors()) {
    return failure("the lab cannot start with this configuration:\n" +
                   render(loaded->findings, loaded->sources));
  }
  return std::move(loaded->settings);
}

bool served(const settings::Rule& rule) {
  return rule.enabled && *rule.action == settings::Action::allow && rule.to.has_value();
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::ranges::find(list, text) == list.end()) list.push_back(text);
}

// The trusted root that the lab's pool will chain to: one that a lab made, or a file that is not
// there yet.
std::string authority_path(const Settings& settings) {
  for (const auto& path : settings.trusted_roots) {
    if (LabCa::made(*path)) return *path;
  }
  DiskFiles files;
  for (const auto& path : settings.trusted_roots) {
    if (*path != "system" && !files.read(*path)) return *path;
  }
  return "";
}

std::string beside(const std::string& path, std::string_view name) {
  const std::size_t slash = path.rfind('/');
  return (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + std::string(name);
}

// "certs/lab-rootca.pem" has its key in "certs/lab-rootca.key".
std::string key_path(const std::string& certificate) {
  return certificate.substr(0, certificate.size() - (certificate.ends_with(".pem") ? 4 : 0)) +
         ".key";
}

// Every name and address that the listener's certificates may be asked for.
struct Names {
  std::vector<std::string> dns;
  std::vector<std::string> addresses;
};

Names names_of(const settings::Listener& listener, const Settings& settings) {
  Names names;
  for (const auto& rule : settings.rules) {
    if (!served(rule) || *rule.listener != *listener.name) continue;
    for (const auto& name : rule.public_names) {
      if (IpAddress::parse(*name)) {
        add_once(names.addresses, *name);
      } else if (*name != "*") {
        add_once(names.dns, *name);
      }
    }
  }
  add_once(names.dns, "localhost");
  for (const auto& address : listener.addresses) {
    if (!address->is_unspecified()) add_once(names.addresses, address->to_string());
  }
  return names;
}

Status make_listener_certificates(const LabCa& ca, const Settings& settings) {
  for (const auto& listener : settings.listeners) {
    if (!listener.https) continue;
    const Names names = names_of(listener, settings);
    for (const auto& files : listener.https->certificates) {
      if (files.chain->empty()) continue;  // a PFX file is somebody's own
      auto made = ca.issue({*files.chain, *files.key}, names.dns, names.addresses);
      if (!made) return std::move(made).error();
    }
  }
  return Done{};
}

// Where the rule's target is reached on this machine.
Result<std::vector<IpAddress>> local_addresses(const settings::Rule& rule) {
  std::vector<IpAddress> found;
  for (const auto& text : rule.to->addresses) {
    const auto address =
        iequals(*text, "localhost") ? IpAddress::parse("127.0.0.1") : IpAddress::parse(*text);
    if (!address || !address->is_loopback()) {
      return failure("rule \"" + *rule.name + "\" publishes " + *text +
                     ", which is no loopback address: the lab's pool stands on this machine, so "
                     "give the rule `address: 127.0.0.1`, or run without --lab");
    }
    found.push_back(*address);
  }
  if (found.empty()) {
    return failure("rule \"" + *rule.name + "\" publishes " + *rule.to->site +
                   " without an `address`: the lab's pool stands on this machine, so give the rule "
                   "`address: 127.0.0.1`, or run without --lab");
  }
  return found;
}

// One endpoint for each address and port that a rule publishes.
Result<PoolOptions> pool_options(const Settings& settings, const MadeCertificate& certificate) {
  PoolOptions options;
  for (const auto& rule : settings.rules) {
    if (!served(rule)) continue;
    const auto addresses = local_addresses(rule);
    if (!addresses) return addresses.error();
    if (options.endpoints.empty()) options.site = *rule.to->site;
    for (const IpAddress& address : *addresses) {
      const bool known = std::ranges::any_of(options.endpoints, [&](const Endpoint& endpoint) {
        return endpoint.address == address && endpoint.port == *rule.to->port;
      });
      if (known) continue;
      Endpoint endpoint{address, *rule.to->port, std::nullopt};
      if (*rule.bridging == settings::Bridging::https) endpoint.certificate = certificate;
      options.endpoints.push_back(std::move(endpoint));
    }
  }
  if (options.endpoints.empty()) {
    return failure(
        "the configuration has no rule that publishes a site, so the lab has nothing to "
        "stand in for");
  }
  return options;
}

std::vector<std::string> sites_of(const Settings& settings) {
  std::vector<std::string> sites;
  for (const auto& rule : settings.rules) {
    if (served(rule)) add_once(sites, *rule.to->site);
  }
  return sites;
}

}  // namespace

Result<Lab> Lab::start(const std::string& path, const Log& log) {
  auto settings = load_settings(path);
  if (!settings) return std::move(settings).error();
  const std::string root = authority_path(*settings);
  if (root.empty()) {
    return failure(
        "none of the configuration's trusted_roots is the lab's: add a file that does "
        "not exist yet, for example certs/lab-rootca.pem, and the lab makes it");
  }
  const Library library;
  auto ca = LabCa::open(library, {root, key_path(root)}, log);
  if (!ca) return std::move(ca).error();
  if (auto made = make_listener_certificates(*ca, *settings); !made) return std::move(made).error();
  auto certificate =
      ca->issue({beside(root, "lab-pool.pem"), beside(root, "lab-pool.key")}, sites_of(*settings));
  if (!certificate) return std::move(certificate).error();
  auto options = pool_options(*settings, *certificate);
  if (!options) return std::move(options).error();
  auto pool = Pool::start(std::move(*options));
  if (!pool) return std::move(pool).error();
  return Lab(std::move(*pool), instructions_for(*settings, root));
}

}  // namespace ocsproxy::lab
