#include "check/subject.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace ocsproxy {
namespace {

using rules::AddressSet;

// Does a word of `text` begin with the name of one of the products?
bool names_product(std::string_view text) {
  static constexpr std::array<std::string_view, 4> kProducts{"ocs", "lync", "skype", "sfb"};
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at > 0 && is_alpha(text[at - 1])) continue;
    const std::string_view word = text.substr(at);
    if (std::ranges::any_of(kProducts, [word](auto one) { return istarts_with(word, one); })) {
      return true;
    }
  }
  return false;
}

}  // namespace

Subject::Subject(const settings::Settings& settings, const rules::RuleTable& table,
                 const Machine& machine)
    : settings_(settings),
      table_(table),
      machine_(machine),
      networks_(settings.networks, own_addresses(machine.interfaces)) {
  for (const settings::Listener& listener : settings.listeners) {
    listeners_.emplace(*listener.name, static_cast<std::uint32_t>(served_.size()));
    AddressSet& served = served_.emplace_back();
    for (const auto& name : listener.networks) served = served | *networks_.addresses(*name);
  }
}

std::optional<std::uint32_t> Subject::listener_of(const settings::Rule& rule) const {
  const auto found = listeners_.find(*rule.listener);
  return found == listeners_.end() ? std::nullopt : std::optional(found->second);
}

AddressSet Subject::addresses(const settings::Source& source) const {
  if (source.range) return AddressSet({*source.range});
  return *networks_.addresses(source.text);
}

AddressSet Subject::addresses(const settings::Rule& rule) const {
  AddressSet from = rule.from.empty() ? AddressSet::all() : AddressSet();
  for (const settings::Source& source : rule.from) from = from | addresses(source);
  for (const settings::Source& source : rule.except_from) from = from - addresses(source);
  const auto listener = listener_of(rule);
  return listener ? from & served_by(*listener) : from;
}

bool Subject::is_external(const IpAddress& address) const {
  return networks_.addresses(settings::kExternal)->contains(address);
}

bool publishes_communications(const settings::Rule& rule) {
  if (names_product(*rule.name) || (rule.to && names_product(*rule.to->site))) return true;
  return std::ranges::any_of(rule.public_names,
                             [](const auto& name) { return names_product(*name); });
}

}  // namespace ocsproxy
