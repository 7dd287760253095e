// An entry of `expectations`: an example (`request`) or a claim (`never_reaches`,
// `always_reaches`). Whether it holds is for rules/expectations.h to say.
#include "base/text.h"
#include "settings/addresses.h"
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

constexpr std::array<Word<Example::Verdict>, 3> kVerdicts{
    {{"allow", Example::Verdict::allow},
     {"deny", Example::Verdict::deny},
     {"redirect", Example::Verdict::redirect}}};

constexpr std::array<std::string_view, 7> kKeys{
    "request", "never_reaches", "always_reaches", "from", "listener", "rule", "verdict"};
constexpr std::string_view kRequestForm =
    "for example  request: \"GET https://www.example.com/abs/\"";
constexpr std::string_view kSiteForm = "for example  pool.example.local/abs/int/*";

// "METHOD URL" into its parts; false when it is none.
bool split_request(std::string_view text, Example& example) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return false;
  example.method = text.substr(0, space);
  std::string_view url = trim(text.substr(space));
  example.https = istarts_with(url, "https://");
  if (!example.https && !istarts_with(url, "http://")) return false;
  url.remove_prefix(url.find("//") + 2);
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  example.authority = url.substr(0, end);
  example.target = url.substr(end);
  if (!example.target.starts_with('/')) example.target.insert(0, 1, '/');
  return is_token(example.method) && !example.authority.empty();
}

void read_example(Fields& fields, Example& example) {
  fields.text("request", example.request);
  if (!example.request->empty() && !split_request(*example.request, example)) {
    fields.findings().error("bad-expectation", example.request.where,
                            shown(*example.request) + " is no method and URL",
                            std::string(kRequestForm));
  }
  if (const Node* const from = fields.find("from")) {
    if (const auto address = read_address(*from, "from", fields.findings())) {
      example.from = {*address, from->where};
    }
  } else if (!fields.has("from")) {
    fields.missing("from", "the address of the client, for example  from: 203.0.113.9");
  }
  fields.text("listener", example.listener);
  fields.text("rule", example.rule);
  if (fields.has("verdict")) {
    fields.word("verdict", kVerdicts, example.verdict.emplace());
  } else if (!fields.has("rule")) {
    fields.missing("verdict",
                   "allow, deny or redirect, or  rule  with the name of the one that decides");
  }
}

// The site and the path are told apart by the first slash.
void read_site_path(const Node& node, std::string_view key, Reach& reach, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return;
  reach.site_path = {std::string(*text), node.where};
  const std::size_t slash = std::min(text->find('/'), text->size());
  Node part = node;
  part.text = text->substr(0, slash);
  if (part.text.empty() || part.text.find(':') != std::string::npos) {
    findings.error("bad-expectation", node.where,
                   shown(*text) + " does not begin with the name of an internal site",
                   std::string(kSiteForm));
    return;
  }
  if (auto site = read_host(part, key, findings)) reach.site = *std::move(site);
  if (slash == text->size()) return;  // the whole site
  part.text = text->substr(slash);
  if (auto path = read_plain_path(part, findings)) reach.path = *std::move(path);
}

void read_reach(Fields& fields, Reach& reach) {
  reach.always = fields.has("always_reaches");
  const std::string_view key = reach.always ? "always_reaches" : "never_reaches";
  if (const Node* const node = fields.find(key)) {
    read_site_path(*node, key, reach, fields.findings());
  }
  const auto add = [&](const Node& one) {
    if (auto source = read_source(one, "from", fields.findings())) {
      reach.from.push_back(*std::move(source));
    }
  };
  const Node* const from = fields.find("from");
  if (from == nullptr) {
    if (!fields.has("from"))
      fields.missing("from", "networks or addresses, for example  from: [External]");
  } else if (from->kind == Node::Kind::scalar) {
    add(*from);
  } else if (is_list(*from, "from", fields.findings())) {
    for (const Node& item : from->items) add(item);
  }
}

}  // namespace

void read_expectation(const Node& node, Reading& reading) {
  Fields fields(node, "an expectation", reading.findings);
  int kinds = 0;
  for (const std::string_view key : {"request", "never_reaches", "always_reaches"}) {
    kinds += fields.has(key) ? 1 : 0;
  }
  if (kinds == 0) {
    fields.missing("request", "or  never_reaches  or  always_reaches: what is expected?");
    for (const std::string_view key : kKeys) (void)fields.find(key);
    fields.finish();
    return;
  }
  if (kinds > 1) {
    reading.findings.error("contradiction", node.where,
                           "an expectation has one of \"request\", \"never_reaches\" and "
                           "\"always_reaches\"",
                           "make an entry of each");
    return;
  }
  if (fields.has("never_reaches") || fields.has("always_reaches")) {
    Reach reach;
    reach.where = node.where;
    read_reach(fields, reach);
    reading.settings.reaches.push_back(std::move(reach));
  } else {
    Example example;
    example.where = node.where;
    read_example(fields, example);
    reading.settings.examples.push_back(std::move(example));
  }
  fields.finish();
}

}  // namespace ocsproxy::settings
