// Regions of requests, rules and answers as reports show them.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "check/policy_file.h"
#include "rules/region.h"

namespace ocsproxy {

// The boxes as lines "  names     ocsweb.contoso.com"; networks are those of policy `number`.
std::string boxes_text(const rules::RequestSpace& space, std::uint32_t number,
                       std::span<const rules::Box> boxes);
// The same as an array "requests"; and the witness as an object "example".
void write_boxes(JsonWriter& json, const rules::RequestSpace& space, std::uint32_t number,
                 std::span<const rules::Box> boxes);
void write_witness(JsonWriter& json, const rules::Witness& witness);

// Quoted, with commas between them.
std::string regexes_text(const std::set<std::string>& regexes);
// "  label     text"
std::string labelled(std::string_view label, std::string_view text);
// "https://pool.example.local:443 at 192.0.2.7", of an allow rule.
std::string site_text(const settings::Rule& rule);
// "conf/30-rules.yaml:12"
std::string place_of(const PolicyFile& policy, std::uint32_t rule);
// "rule "OWA" (conf/30-rules.yaml:12)"; and the same and where it leads as members of an object.
std::string rule_text(const PolicyFile& policy, std::uint32_t rule);
void write_rule(JsonWriter& json, const PolicyFile& policy, std::uint32_t rule);

}  // namespace ocsproxy
