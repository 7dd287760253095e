#include "base/text.h"
#include "settings/addresses.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

using std::chrono::hours;

constexpr DurationRange kTimeout{milliseconds(1), hours(24 * 7)};
constexpr std::array<Word<Action>, 2> kActions{{{"allow", Action::allow}, {"deny", Action::deny}}};
constexpr std::array<Word<Bridging>, 2> kBridgings{
    {{"https", Bridging::https}, {"http", Bridging::http}}};
constexpr std::array<Word<Delegation>, 2> kDelegations{
    {{"client", Delegation::client}, {"none", Delegation::none}}};

void read_public_names(Fields& fields, Rule& rule) {
  const Node* const list = fields.list("public_names");
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    if (auto name = read_public_name(item, fields.findings())) {
      rule.public_names.push_back({*std::move(name), item.where});
    }
  }
}

// A method is a token (RFC 9110 9.1), and case matters. CONNECT and TRACE are never forwarded.
bool is_usable_method(const Node& node, std::string_view method, Findings& findings) {
  if (!is_token(method)) {
    findings.error("bad-method", node.where, shown(method) + " is no method",
                   "for example GET or PROPFIND");
    return false;
  }
  if (iequals(method, "CONNECT") || iequals(method, "TRACE")) {
    findings.error("bad-method", node.where,
                   shown(method) + " is refused before the rules are asked", "remove it");
    return false;
  }
  if (std::ranges::any_of(method, [](char c) { return to_lower(c) == c && is_alpha(c); })) {
    findings.warning("method-in-lower-case", node.where,
                     "the case of methods matters, so " + shown(method) + " matches no GET or POST",
                     "the methods in use are all in upper case");
  }
  return true;
}

void read_methods(Fields& fields, Rule& rule) {
  if (const Node* const list = fields.list("methods")) {
    read_method_list(*list, "methods", rule.methods, fields.findings());
  } else if (!fields.has("methods")) {
    rule.methods.push_back({"*", {}});
  }
}

bool is_redirect_target(std::string_view url) {
  const bool scheme = istarts_with(url, "https://") || istarts_with(url, "http://");
  if (!scheme) return false;
  const std::string_view rest = url.substr(url.find("//") + 2);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto visible = [](char c) { return c > ' ' && c < '\x7f'; };
  return !authority.empty() && authority.find_first_of("@\\") == std::string_view::npos &&
         std::ranges::all_of(url, visible) &&
         url.find_first_of("\"<>\\^`{|}") == std::string_view::npos;
}

void read_redirect(Fields& fields, Rule& rule) {
  fields.text("redirect", rule.redirect);
  if (rule.redirect->empty()) return;
  if (*rule.action == Action::allow) {
    fields.findings().error("contradiction", rule.redirect.where,
                            "only a deny can redirect; this rule allows");
  } else if (!is_redirect_target(*rule.redirect)) {
    fields.findings().error("bad-redirect", rule.redirect.where,
                            shown(*rule.redirect) + " is no URL of http or https",
                            "for example https://www.example.com/moved, percent-encoded");
  }
}

void read_timeouts(Fields& rule_fields, Rule::Timeouts& timeouts) {
  const Node* const node = rule_fields.find("timeouts");
  if (node == nullptr) return;
  Fields fields(*node, "the \"timeouts\" of a rule", rule_fields.findings());
  fields.duration("connect", kTimeout, timeouts.connect);
  fields.duration("queue", kTimeout, timeouts.queue);
  fields.duration("response_head", kTimeout, timeouts.response_head);
  fields.duration("idle", kTimeout, timeouts.idle);
  fields.finish();
}

void require_keys_of_allow(Fields& fields) {
  static constexpr std::array<std::array<std::string_view, 2>, 4> kNeeded{{
      {"listener", "the name of the listener that it publishes through"},
      {"from", "who may ask? for example  from: [External]"},
      {"public_names",
       "for which names? for example  public_names: [www.example.com], or [\"*\"] "
       "for any"},
      {"to", "which internal site? for example  to: {site: pool.example.local}"},
  }};
  for (const auto& [key, mend] : kNeeded) {
    if (!fields.has(key)) fields.missing(key, std::string(mend));
  }
}

void read_to(Fields& fields, Rule& rule) {
  const Node* const node = fields.find("to");
  if (node == nullptr) return;
  // Checked for a deny as well: it may be an allow again tomorrow.
  Target target;
  read_target(*node, *rule.bridging, target, fields.findings());
  if (*rule.action == Action::allow) rule.to = std::move(target);
}

}  // namespace

void read_method_list(const Node& list, std::string_view key,
                      std::vector<Located<std::string>>& methods, Findings& findings) {
  for (const Node& item : list.items) {
    const auto method = read_text(item, key, findings);
    if (method && is_usable_method(item, *method, findings)) {
      methods.push_back({std::string(*method), item.where});
    }
  }
}

std::optional<Source> read_source(const Node& node, std::string_view key, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return std::nullopt;
  if (*text == "*") return Source{node.where, std::string(kAnywhere), std::nullopt};
  if (!looks_like_range(*text)) return Source{node.where, std::string(*text), std::nullopt};
  const auto range = read_range(node, key, findings);
  if (!range) return std::nullopt;
  return Source{node.where, std::string(*text), range};
}

void read_sources(Fields& fields, std::string_view key, std::vector<Source>& sources) {
  const Node* const list = fields.list(key);
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    if (auto source = read_source(item, key, fields.findings())) {
      sources.push_back(*std::move(source));
    }
  }
}

void read_rule(const Node& node, Reading& reading) {
  Fields fields(node, "a rule", reading.findings);
  Rule rule;
  rule.where = node.where;
  read_name(fields, rule.name);
  Located<bool> enabled{true, {}};
  fields.boolean("enabled", enabled);
  rule.enabled = *enabled;
  fields.word("action", kActions, rule.action);
  if (!fields.has("action")) fields.missing("action", "allow or deny");
  fields.text("listener", rule.listener);
  read_sources(fields, "from", rule.from);
  read_sources(fields, "except_from", rule.except_from);
  read_public_names(fields, rule);
  if (const Node* const paths = fields.list("paths")) {
    read_paths(*paths, rule.paths, reading.findings);
  } else if (!fields.has("paths")) {
    rule.paths.push_back({});
  }
  fields.word("bridging", kBridgings, rule.bridging);
  read_to(fields, rule);
  read_methods(fields, rule);
  fields.word("delegation", kDelegations, rule.delegation);
  read_redirect(fields, rule);
  read_timeouts(fields, rule.timeouts);
  read_filter_of_rule(fields, reading, rule);
  if (rule.action.where.line != 0 && *rule.action == Action::allow) require_keys_of_allow(fields);
  fields.finish();
  reading.settings.rules.push_back(std::move(rule));
}

}  // namespace ocsproxy::settings
