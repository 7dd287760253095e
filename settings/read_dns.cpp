// An entry of `dns`: a record that DNS must have.
#include <algorithm>

#include "base/text.h"
#include "settings/addresses.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

// "_sip": RFC 2782 puts an underscore in front of the names of services and protocols.
bool is_service_label(std::string_view label) {
  return label.size() > 1 && label.front() == '_' &&
         std::ranges::all_of(label.substr(1),
                             [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
}

// "_service._protocol.domain" into its parts.
void read_service(const Node& node, ServiceRecord& record, Findings& findings) {
  const auto text = read_text(node, "srv", findings);
  if (!text) return;
  const std::size_t first = std::min(text->find('.'), text->size());
  const std::size_t second = std::min(text->find('.', first + 1), text->size());
  Node domain = node;
  domain.text = text->substr(std::min(second + 1, text->size()));
  if (!is_service_label(text->substr(0, first)) ||
      !is_service_label(text->substr(first, second - first).substr(first < second ? 1 : 0)) ||
      domain.text.empty() || IpAddress::parse(domain.text)) {
    findings.error("bad-service", node.where, shown(*text) + " is no name of an SRV record",
                   "for example  srv: _sip._tls.example.com");
    return;
  }
  if (auto host = read_host(domain, "srv", findings)) {
    record.domain = *std::move(host);
    record.name = {lower(text->substr(0, second)) + '.' + record.domain, node.where};
  }
}

// The name of a computer, not its address.
void read_name_of_host(Fields& fields, std::string_view key, Located<std::string>& name) {
  const Node* const node = fields.find(key);
  if (node == nullptr) return;
  auto host = read_host(*node, key, fields.findings());
  if (!host) return;
  if (IpAddress::parse(*host)) {
    fields.findings().error("bad-host", node->where,
                            shown(*host) + " is an address, and DNS is asked for names");
    return;
  }
  name = {*std::move(host), node->where};
}

void read_addresses(Fields& fields, AddressRecord& record) {
  const Node* const list = fields.list("addresses");
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    if (const auto address = read_address(item, "addresses", fields.findings())) {
      record.addresses.push_back({*address, item.where});
    }
  }
}

}  // namespace

void read_dns_record(const Node& node, Reading& reading) {
  Fields fields(node, "an entry of dns", reading.findings);
  if (fields.has("srv")) {
    ServiceRecord record;
    record.where = node.where;
    if (const Node* const service = fields.find("srv")) {
      read_service(*service, record, reading.findings);
    }
    read_name_of_host(fields, "target", record.target);
    fields.number("port", kPortRange, record.port);
    if (!record.name->empty()) reading.settings.services.push_back(std::move(record));
  } else {
    AddressRecord record;
    record.where = node.where;
    read_name_of_host(fields, "host", record.host);
    if (!fields.has("host")) {
      fields.missing("host", "the name that has the addresses, or  srv  for a service");
    }
    read_addresses(fields, record);
    if (!record.host->empty()) reading.settings.hosts.push_back(std::move(record));
  }
  fields.finish();
}

}  // namespace ocsproxy::settings
