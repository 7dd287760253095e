// What becomes of each header field on its way through the proxy: one table for both directions
// (RFC 9110 7.6.1 for what belongs to a connection; the rest is what a site believes of a trusted
// front, so only the proxy may say it). Pure functions, no allocation.
#pragma once

#include <array>
#include <cstdint>

#include "proxy/framing.h"
#include "proxy/head.h"
#include "settings/settings.h"

namespace ocsproxy {

enum class FieldAction : std::uint8_t {
  pass,         // goes on as it came
  drop,         // goes no further; where the proxy has a value of its own, it writes that
  credentials,  // goes on only where the client may authenticate directly (`delegation: client`)
  url,          // goes on, and what names the published site is mapped to the other side's names
  destination,  // goes on in the form in which it was judged (proxy/request_writer.h)
  cookie,       // goes on with Domain and Path mapped to the client's side
  trailer,      // announces fields behind a chunked body: goes on where the chunks do
};

struct FieldRule {
  FieldAction request;
  FieldAction response;
};

// By FieldId; FieldId::count_ is no index.
extern const std::array<FieldRule, kFieldIds> kFieldRules;

// True when a field with that name and action may not go on: it belongs to the connection it came
// on, is named by that message's Connection, or carries credentials that the rule does not pass.
inline bool is_stopped(FieldAction action, const FieldView& field, const ConnectionOptions& options,
                       settings::Delegation delegation) {
  if (action == FieldAction::drop) return true;
  if (action == FieldAction::credentials && delegation == settings::Delegation::none) return true;
  return options.name_count != 0 && options.lists(field.name);
}

}  // namespace ocsproxy
