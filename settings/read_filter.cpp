// HTTP filters: `http_filters` at the top, and `http_filter` of a rule.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/text.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

using Told = HttpFilter::Told;
using Words = HttpFilter::Words;
using Place = HttpFilter::Place;
using Signature = HttpFilter::Signature;

// What is longer is refused before any filter is asked.
constexpr SizeRange kHeader{256, 32768};
constexpr SizeRange kUrl{1, 16384};
constexpr SizeRange kQuery{0, 16384};
constexpr SizeRange kPayload{0, std::uint64_t{1} << 50};
// What is held back of a body has to fit a buffer, with the lines of its chunks.
constexpr SizeRange kFirst{1, 16384};
constexpr std::size_t kLongestText = 200;
constexpr std::size_t kMostSignatures = 256;

constexpr std::array<Word<HttpFilter::Mode>, 2> kModes{
    {{"enforce", HttpFilter::Mode::enforce}, {"report", HttpFilter::Mode::report}}};
constexpr std::array<Word<Place>, 5> kPlaces{{{"url", Place::url},
                                              {"request_headers", Place::request_headers},
                                              {"response_headers", Place::response_headers},
                                              {"request_body", Place::request_body},
                                              {"response_body", Place::response_body}}};

bool is_body(Place place) { return place == Place::request_body || place == Place::response_body; }

// --- {allow: [...]} or {deny: [...]} ---

using ReadList = void (*)(const Node& list, std::string_view key,
                          std::vector<Located<std::string>>& words, Findings& findings);

void read_words(Fields& filter, std::string_view key, std::string_view what,
                std::string_view example, ReadList read, Words& words) {
  const Node* const node = filter.find(key);
  if (node == nullptr) return;
  Findings& findings = filter.findings();
  if (node->kind != Node::Kind::map) {
    report_type(*node, key, "a map of allow or deny", findings,
                "for example  " + std::string(key).append(": ").append(example));
    return;
  }
  Fields fields(*node, what, findings);
  const Node* const allow = fields.list("allow");
  const Node* const deny = fields.list("deny");
  if (fields.has("allow") && fields.has("deny")) {
    findings.error("contradiction", node->where,
                   '"' + std::string(key) + "\" is either \"allow\" or \"deny\"",
                   "what is not allowed is denied, and the other way round");
  } else if (!fields.has("allow") && !fields.has("deny")) {
    fields.missing("allow", "for example  " + std::string(key).append(": ").append(example));
  }
  fields.finish();
  const Node* const list = allow != nullptr ? allow : deny;
  if (list == nullptr) return;
  words.kind = allow != nullptr ? Words::Kind::allow : Words::Kind::deny;
  words.where = node->where;
  read(*list, allow != nullptr ? "allow" : "deny", words.words, findings);
}

bool is_extension(std::string_view text) {
  if (text == kNoExtension) return true;
  return text.size() > 1 && text.front() == '.' && text.find('.', 1) == std::string_view::npos &&
         std::ranges::all_of(text, [](char c) {
           return c > ' ' && c < '\x7f' && c != '/' && c != ';' && c != '%';
         });
}

void read_extensions(const Node& list, std::string_view key,
                     std::vector<Located<std::string>>& extensions, Findings& findings) {
  for (const Node& item : list.items) {
    if (item.kind == Node::Kind::scalar && item.text.empty()) {
      findings.error("bad-extension", item.where, "\"\" is no extension",
                     "write  none  for requests without one");
      continue;
    }
    const auto text = read_text(item, key, findings);
    if (!text) continue;
    if (is_extension(*text)) {
      extensions.push_back({lower(*text), item.where});
      continue;
    }
    const std::string dotted = '.' + std::string(*text);
    findings.error("bad-extension", item.where, shown(*text) + " is no extension",
                   is_extension(dotted) ? "write " + shown(dotted)
                                        : "for example .exe, or none for requests without one");
  }
}

// --- names of headers ---

// What the proxy writes by itself, whatever the site says, or has a key of its own for.
std::string_view why_not_removed(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kOwn{
      "connection", "content-length",    "keep-alive", "te",
      "trailer",    "transfer-encoding", "upgrade",    "x-request-id"};
  if (iequals(name, "server")) return "write  server_header: strip";
  if (iequals(name, "via")) return "write  via_header: strip";
  const bool own = std::ranges::any_of(kOwn, [name](auto one) { return iequals(name, one); });
  return own ? "the proxy writes it by itself, as the message to the client needs it" : "";
}

void read_denied_headers(Fields& filter, std::string_view key, bool of_response,
                         std::vector<Located<std::string>>& names) {
  const Node* const node = filter.find(key);
  if (node == nullptr) return;
  Findings& findings = filter.findings();
  if (node->kind != Node::Kind::map) {
    report_type(*node, key, "a map of deny", findings,
                "for example  " + std::string(key) + ": {deny: [X-Powered-By]}");
    return;
  }
  Fields fields(*node, of_response ? "\"response_headers\"" : "\"request_headers\"", findings);
  const Node* const list = fields.list("deny");
  if (!fields.has("deny")) fields.missing("deny", "for example  {deny: [X-Powered-By]}");
  fields.finish();
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    const auto name = read_text(item, "deny", findings);
    if (!name) continue;
    const std::string_view why = of_response ? why_not_removed(*name) : std::string_view();
    if (!is_token(*name)) {
      findings.error("bad-header-name", item.where, shown(*name) + " is the name of no header",
                     "write the name alone, for example X-Powered-By");
    } else if (!why.empty()) {
      findings.error("bad-header-name", item.where,
                     shown(*name) + " cannot be removed from responses", std::string(why));
    } else {
      names.push_back({std::string(*name), item.where});
    }
  }
}

// keep, strip or {replace: TEXT}
void read_told(Fields& filter, std::string_view key, bool token, Told& told) {
  const Node* const node = filter.find(key);
  if (node == nullptr) return;
  Findings& findings = filter.findings();
  if (node->kind == Node::Kind::sequence) {
    report_type(*node, key, "keep, strip or {replace: TEXT}", findings);
    return;
  }
  if (node->kind != Node::Kind::map) {
    const auto text = read_text(*node, key, findings);
    if (text == "strip") told.kind = Told::Kind::strip;
    if (!text || text == "strip" || text == "keep") return;
    findings.error(
        "bad-word", node->where,
        '"' + std::string(key) + "\" can be keep, strip or {replace: TEXT}, not " + shown(*text),
        "to send that text write  {replace: " + shown(*text) + '}');
    return;
  }
  Fields fields(*node, token ? "\"via_header\"" : "\"server_header\"", findings);
  Located<std::string> text;
  fields.text("replace", text);
  if (!fields.has("replace")) fields.missing("replace", "the text to send instead");
  fields.finish();
  if (text->empty()) return;
  if (text->size() > kLongestText || (token && !is_token(*text))) {
    findings.error(
        "bad-text", text.where, shown(*text) + " cannot stand in the header",
        token ? "Via names a proxy by one word, for example edge" : "write at most 200 bytes");
    return;
  }
  told = {Told::Kind::replace, *text};
}

// --- signatures ---

bool read_signature(const Node& node, Findings& findings, Signature& signature) {
  Fields fields(node, "a signature", findings);
  signature.where = node.where;
  read_name(fields, signature.name);
  fields.word("in", kPlaces, signature.place);
  if (!fields.has("in")) {
    fields.missing("in", "url, request_headers, response_headers, request_body or response_body");
  }
  fields.text("pattern", signature.pattern);
  if (!fields.has("pattern")) fields.missing("pattern", "the regex of RE2 that must not match");
  Located<std::uint64_t> first{Signature::kDefaultFirst, {}};
  fields.size("first", kFirst, first);
  signature.first = {static_cast<std::uint32_t>(*first), first.where};
  if (fields.has("first") && fields.has("in") && signature.place.where.line != 0 &&
      !is_body(*signature.place)) {
    findings.error("contradiction", first.where,
                   "\"first\" is for bodies; a head is looked at as a whole", "remove the line");
  }
  fields.finish();
  return !signature.pattern->empty() && signature.place.where.line != 0;
}

void read_signatures(Fields& filter, std::vector<Signature>& signatures) {
  const Node* const list = filter.list("signatures");
  if (list == nullptr) return;
  Findings& findings = filter.findings();
  if (list->items.size() > kMostSignatures) {
    findings.error(
        "out-of-range", list->where,
        "an HTTP filter has at most 256 signatures, not " + std::to_string(list->items.size()),
        "one pattern can look for several texts: (one|two)");
    return;
  }
  for (const Node& item : list->items) {
    Signature signature;
    if (!read_signature(item, findings, signature)) continue;
    const auto same = [&](const Signature& other) { return iequals(*other.name, *signature.name); };
    if (std::ranges::any_of(signatures, same)) {
      findings.error("name-twice", signature.name.where,
                     "a second signature of the filter is called " + shown(*signature.name),
                     "give each its own name: the log says it");
      continue;
    }
    signatures.push_back(std::move(signature));
  }
}

// --- the whole ---

void read_limits(Fields& fields, HttpFilter& filter) {
  const auto read = [&fields](std::string_view key, SizeRange range,
                              Located<std::uint32_t>& target) {
    Located<std::uint64_t> value{*target, {}};
    fields.size(key, range, value);
    target = {static_cast<std::uint32_t>(*value), value.where};
  };
  read("max_header_length", kHeader, filter.max_header_length);
  Located<std::uint64_t> payload;
  fields.size("max_payload_length", kPayload, payload);
  if (payload.where.line != 0) filter.max_payload_length = payload;
  read("max_url_length", kUrl, filter.max_url_length);
  read("max_query_length", kQuery, filter.max_query_length);
}

void read_keys(Fields& fields, HttpFilter& filter) {
  fields.word("mode", kModes, filter.mode);
  read_limits(fields, filter);
  fields.boolean("verify_normalization", filter.verify_normalization);
  fields.boolean("block_high_bit", filter.block_high_bit);
  fields.boolean("block_windows_executables", filter.block_windows_executables);
  read_words(fields, "methods", "\"methods\" of an HTTP filter", "{allow: [GET, HEAD, POST]}",
             read_method_list, filter.methods);
  read_words(fields, "extensions", "\"extensions\" of an HTTP filter", "{deny: [.exe, .bat]}",
             read_extensions, filter.extensions);
  read_denied_headers(fields, "request_headers", false, filter.request_headers);
  read_denied_headers(fields, "response_headers", true, filter.response_headers);
  read_told(fields, "server_header", false, filter.server_header);
  read_told(fields, "via_header", true, filter.via_header);
  read_signatures(fields, filter.signatures);
  fields.finish();
}

}  // namespace

void read_http_filter(const Node& node, Reading& reading) {
  Fields fields(node, "an HTTP filter", reading.findings);
  HttpFilter filter;
  filter.where = node.where;
  read_name(fields, filter.name);
  read_keys(fields, filter);
  reading.settings.http_filters.push_back(std::move(filter));
}

void read_filter_of_rule(Fields& rule_fields, Reading& reading, Rule& rule) {
  const Node* const node = rule_fields.find("http_filter");
  if (node == nullptr) return;
  if (node->kind == Node::Kind::sequence) {
    report_type(*node, "http_filter", "the name of a filter, or its keys", reading.findings);
  } else if (node->kind != Node::Kind::map) {
    rule_fields.text("http_filter", rule.http_filter);
  } else {
    Fields fields(*node, "the HTTP filter of a rule", reading.findings);
    HttpFilter filter;
    filter.where = node->where;
    read_keys(fields, filter);
    rule.filter = static_cast<std::uint32_t>(reading.settings.http_filters.size());
    reading.settings.http_filters.push_back(std::move(filter));
  }
  if (rule.action.where.line != 0 && *rule.action == Action::deny) {
    reading.findings.error("contradiction", node->where,
                           "only what is allowed goes through a filter; this rule denies",
                           "remove it, or move it to the rules that allow");
  }
}

}  // namespace ocsproxy::settings
