#include "settings/addresses.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

// Names that could not be told from addresses in `from`, or that mean something already.
bool is_usable(const Located<std::string>& name, Findings& findings) {
  const std::string quoted = shown(*name);
  if (*name == kLocalHost || *name == kAnywhere) {
    findings.error(
        "reserved-network", name.where, quoted + " is built in and cannot be given",
        *name == kLocalHost ? "it is this machine's own addresses" : "it is every address");
    return false;
  }
  if (name->empty() || name->front() == ' ' || name->back() == ' ' ||
      find_unprintable(*name) != std::string::npos) {
    findings.error("bad-name", name.where, quoted + " cannot be the name of a network");
    return false;
  }
  if (*name == "*" || looks_like_range(*name)) {
    findings.error("bad-name", name.where, quoted + " cannot be the name of a network",
                   "it could not be told from addresses");
    return false;
  }
  return true;
}

}  // namespace

void read_networks(const Node& node, Reading& reading) {
  Findings& findings = reading.findings;
  if (node.kind != Node::Kind::map) {
    report_type(node, "networks", "a map of names", findings,
                "for example  Internal: [10.0.0.0/8]");
    reading.complete.networks = false;
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    Network network{node.keys[i], {}};
    const Node& list = node.items[i];
    if (!is_usable(network.name, findings)) {
      reading.complete.networks = false;
      continue;
    }
    if (list.kind == Node::Kind::null) {
      findings.error("missing-value", list.where, shown(*network.name) + " has no addresses",
                     "give it a list of ranges, for example [10.0.0.0/8]");
    } else if (is_list(list, *network.name, findings)) {
      for (const Node& item : list.items) {
        if (const auto range = read_range(item, *network.name, findings)) {
          network.ranges.push_back({*range, item.where});
        }
      }
    }
    reading.settings.networks.push_back(std::move(network));
  }
}

}  // namespace ocsproxy::settings
