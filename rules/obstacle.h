// Why a client does not reach a page of an internal site.
#pragma once

#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

// What becomes of the request by which `client` would reach `path` of `site`, in one clause that
// says what stands in its way: "rule \"Int\" denies https://www.contoso.com/abs/int". Asked are
// GETs by the names and paths under which rules that allow something lead to the site; of those
// that nothing but the end of the rules denies the first is named. "" when a request does reach it.
// `table` was compiled from `settings`.
std::string obstacle(const settings::Settings& settings, const RuleTable& table,
                     const IpAddress& client, std::string_view site, std::string_view path);

}  // namespace ocsproxy::rules
