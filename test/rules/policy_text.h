// Policies and requests as one line of text each, so that a table of tests reads as a specification
// and a generated policy that fails can be printed.
//
//   allow web from External names www.test,*.lab.test paths /dir/*,/file methods GET,POST
//   deny from 10.0.0.0/8 except 10.0.0.7 paths ~/x.*\.exe
//   redirect web names old.test
//   disabled allow web …
//
// The word after the action may be a listener. Left out, an allow is from Anywhere, for every name,
// path and method; a deny is for every listener too. "/a/*>/b/*" maps a path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

settings::Rule parse_rule(std::string_view text);

// Listeners: web (for External and Perimeter) and intranet (for Internal). Networks:
// Internal 10.0.0.0/8 and fd00::/8; Perimeter 172.16.0.0/12 and 2001:db8:1::/48.
settings::Settings make_settings(const std::vector<std::string>& rules);
// 203.0.113.1 and 10.0.0.1.
std::vector<IpAddress> own_addresses();

struct Asked {
  std::uint32_t listener = 0;
  IpAddress client;
  std::string method, name, path;
};
// "GET www.test/path 198.51.100.7 [listener]"; "GET -/path …" for no name.
Asked parse_request(std::string_view text);

// "allow 0", "deny 2", "redirect 1", "allow 0.3" (the rule's fourth path), "no rule".
std::string to_text(const Decision& decision);

}  // namespace ocsproxy::rules
