#include "check/policy_findings.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using rules::AddressSet;

std::string sources_text(const settings::FloodException& exception) {
  std::string text;
  for (const settings::Source& source : exception.from)
    text += (text.empty() ? "" : ", ") + settings::shown(source.text);
  return text;
}

}  // namespace

void check_flood_exceptions(const Subject& subject, Findings& findings) {
  AddressSet taken;
  for (const settings::FloodException& exception : subject.settings().flood_mitigation.exceptions) {
    AddressSet own;
    for (const settings::Source& source : exception.from) own = own | subject.addresses(source);
    if (!own.empty() && (own - taken).empty()) {
      findings.warning("flood-exception-covered", exception.where,
                       "the exception for " + sources_text(exception) +
                           " never counts: exceptions before it are for all of these addresses, "
                           "and the first that an address is in counts",
                       "put it above them, or remove it");
    }
    taken = taken | own;
  }
}

}  // namespace ocsproxy
