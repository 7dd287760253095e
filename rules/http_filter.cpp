#include "rules/http_filter.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

using settings::kNoExtension;
using Place = HttpFilter::Place;
using Words = settings::HttpFilter::Words;
using Outcome = SignatureSet::Outcome;

constexpr std::size_t kRequestHead = 0, kResponseHead = 1, kFirstBody = 2;
// What a message shows of a word that a peer sent.
constexpr std::size_t kMostShown = 64;

std::string_view name_of(Place place) {
  switch (place) {
    case Place::url:
      return "url";
    case Place::request_headers:
      return "request_headers";
    case Place::response_headers:
      return "response_headers";
    case Place::request_body:
      return "request_body";
    case Place::response_body:
      return "response_body";
  }
  return "";
}

bool is_body(Place place) { return place == Place::request_body || place == Place::response_body; }

bool before_folded(std::string_view a, std::string_view b) {
  return std::ranges::lexicographical_compare(a, b, {}, to_lower, to_lower);
}

std::vector<std::string> sorted(const std::vector<Located<std::string>>& names) {
  std::vector<std::string> result;
  result.reserve(names.size());
  for (const auto& name : names) result.push_back(lower(*name));
  std::ranges::sort(result);
  return result;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  const auto place = std::ranges::lower_bound(names, name, before_folded);
  return place != names.end() && iequals(*place, name);
}

bool allows(const Words& words, std::string_view word) {
  const bool listed =
      std::ranges::any_of(words.words, [word](const auto& one) { return iequals(*one, word); });
  return listed == (words.kind == Words::Kind::allow);
}

// ".htm" of "a.b.htm"; "none" where there is none.
std::string_view extension_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? kNoExtension : name.substr(dot);
}

std::string methods_allowed_by(const Words& methods) {
  static constexpr std::array<std::string_view, 6> kUsual{"GET", "HEAD",   "POST",
                                                          "PUT", "DELETE", "OPTIONS"};
  std::string text;
  const auto add = [&text](std::string_view method) {
    text.append(text.empty() ? "" : ", ").append(method);
  };
  if (methods.kind == Words::Kind::allow) {
    for (const auto& method : methods.words) add(*method);
  } else {
    for (const std::string_view method : kUsual) {
      if (std::ranges::none_of(methods.words, [&](const auto& one) { return *one == method; })) {
        add(method);
      }
    }
  }
  return text;
}

// The text that signatures are looked for in. What does not fit spoils it.
class Text {
 public:
  explicit Text(std::span<char> room) : room_(room) {}

  Text& add(std::string_view piece) {
    if (piece.size() > room_.size() - size_) {
      spoiled_ = true;
    } else if (!piece.empty()) {
      std::memcpy(room_.data() + size_, piece.data(), piece.size());
      size_ += piece.size();
    }
    return *this;
  }
  void add_field(const HeadField& field) { add(field.name).add(": ").add(field.value).add("\n"); }
  // Escapes decoded, and what a form writes for a space.
  void add_decoded(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      char c = text[i] == '+' ? ' ' : text[i];
      const bool escape = c == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                          hex_value(text[i + 2]) >= 0;
      if (escape) {
        c = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
      }
      add({&c, 1});
    }
  }

  std::size_t size() const { return size_; }
  bool spoiled() const { return spoiled_; }
  std::string_view text() const { return {room_.data(), size_}; }

 private:
  std::span<char> room_;
  std::size_t size_ = 0;
  bool spoiled_ = false;
};

// As it goes upstream, and decoded where that is another text.
void add_url(Text& text, const CanonicalTarget& target) {
  text.add(target.path).add(target.query).add("\n");
  const bool escapes = target.path.find('%') != std::string_view::npos ||
                       target.query.find_first_of("%+") != std::string_view::npos;
  if (!escapes) return;
  text.add_decoded(target.path);
  text.add_decoded(target.query);
  text.add("\n");
}

// "MZ", and where the PE header is said to begin: a text that begins so has no byte that small
// there.
bool is_executable(std::string_view first) {
  return first.size() >= HttpFilter::kExecutableBytes && first.starts_with("MZ") &&
         static_cast<unsigned char>(first[HttpFilter::kExecutableBytes - 1]) < '\t';
}

FilterRefusal exhausted(Place place) { return {.check = FilterCheck::signature, .place = place}; }

}  // namespace

std::string_view to_string(FilterCheck check) {
  static constexpr std::array<std::string_view, kFilterChecks> kNames{
      "header_length",  "url_length", "query_length", "payload_length",
      "normalization",  "high_bit",   "method",       "extension",
      "request_header", "signature",  "executable",   "unseen_body"};
  return kNames[static_cast<std::size_t>(check)];
}

std::string_view describe(FilterCheck check) {
  static constexpr std::array<std::string_view, kFilterChecks> kTexts{
      "the header is longer than the HTTP filter allows",
      "the URL is longer than the HTTP filter allows",
      "the query is longer than the HTTP filter allows",
      "the payload is larger than the HTTP filter allows",
      "the path is doubly encoded",
      "the path has a character above U+007F",
      "the HTTP filter does not allow the method",
      "the HTTP filter does not allow the extension",
      "the HTTP filter does not allow a header",
      "a signature of the HTTP filter is found",
      "the response is a Windows executable",
      "the body came in chunks too small to be looked at"};
  return kTexts[static_cast<std::size_t>(check)];
}

std::string describe(const FilterRefusal& refusal) {
  const auto length = [&refusal](std::string_view what) {
    return std::string(what) + ' ' + std::to_string(refusal.found) + " > " +
           std::to_string(refusal.limit);
  };
  const std::string subject = '"' + escaped(refusal.subject, kMostShown) + '"';
  switch (refusal.check) {
    case FilterCheck::header_length:
      return length("header");
    case FilterCheck::url_length:
      return length("URL");
    case FilterCheck::query_length:
      return length("query");
    case FilterCheck::payload_length:
      return length("payload");
    case FilterCheck::normalization:
      return std::string(describe(TargetError::double_encoding));
    case FilterCheck::high_bit:
      return std::string(describe(TargetError::high_bit));
    case FilterCheck::method:
      return "method " + subject;
    case FilterCheck::extension:
      return refusal.subject == kNoExtension ? "no extension" : "extension " + subject;
    case FilterCheck::request_header:
      return "header " + subject;
    case FilterCheck::executable:
      return "a Windows executable";
    case FilterCheck::unseen_body:
      return "a body in chunks too small to be looked at";
    case FilterCheck::signature:
      break;
  }
  const std::string place(name_of(refusal.place));
  return refusal.subject.empty() ? "out of memory for the signatures in " + place
                                 : "signature " + subject + " in " + place;
}

// --- compiling ---

HttpFilter::HttpFilter(const settings::HttpFilter& settings)
    : settings_(settings),
      allowed_methods_(methods_allowed_by(settings.methods)),
      request_headers_(sorted(settings.request_headers)),
      response_headers_(sorted(settings.response_headers)) {}

std::shared_ptr<const HttpFilter> HttpFilter::compile(const settings::HttpFilter& settings,
                                                      Findings& findings) {
  const std::shared_ptr<HttpFilter> filter(new HttpFilter(settings));
  filter->add_signatures(findings);
  return filter;
}

std::size_t HttpFilter::group_of(Place place) {
  switch (place) {
    case Place::url:
    case Place::request_headers:
      return kRequestHead;
    case Place::response_headers:
      return kResponseHead;
    case Place::request_body:
      return kFirstBody;
    case Place::response_body:
      return kFirstBody + 1;
  }
  return kRequestHead;
}

void HttpFilter::add_signatures(Findings& findings) {
  for (const auto& signature : settings_.signatures) {
    const bool body = is_body(*signature.place);
    if (auto fault = SignatureSet::fault_of(*signature.pattern, !body)) {
      findings
          .error(
              "bad-regex", signature.pattern.where,
              "the pattern of the signature \"" + *signature.name + "\" is refused: " + fault->why,
              "the syntax is RE2's: no look-around, no back references")
          .fragment = std::move(fault->fragment);
      continue;
    }
    const std::size_t number = group_of(*signature.place);
    groups_[number].set.add(*signature.pattern);
    groups_[number].signatures.push_back(&signature);
    if (body) firsts_[number - kFirstBody].push_back(*signature.first);
  }
  for (auto& firsts : firsts_) {
    std::ranges::sort(firsts);
    firsts.erase(std::unique(firsts.begin(), firsts.end()), firsts.end());
  }
  for (Group& group : groups_) {
    if (group.set.compile()) continue;
    findings.error("filter-too-large", group.signatures.front()->pattern.where,
                   "the signatures in " + std::string(name_of(*group.signatures.front()->place)) +
                       " need more memory than " + std::to_string(SignatureSet::kMemory >> 20U) +
                       " MiB together",
                   "write plainer patterns, without large counts");
  }
}

// --- requests ---

std::optional<FilterRefusal> HttpFilter::check_request(const FilteredRequest& request,
                                                       std::span<char> scratch) const {
  for (const FilterCheck check : kRequestChecks) {
    if (const auto refusal = check_request(check, request, scratch)) return refusal;
  }
  return std::nullopt;
}

std::optional<FilterRefusal> HttpFilter::check_request(FilterCheck check,
                                                       const FilteredRequest& request,
                                                       std::span<char> scratch) const {
  const CanonicalTarget& target = request.target;
  switch (check) {
    case FilterCheck::header_length: {
      std::size_t size = 0;
      for (std::size_t i = 0; i < request.fields.size; ++i) {
        const HeadField field = request.fields[i];
        size += field.name.size() + field.value.size() + std::string_view(": \r\n").size();
      }
      return check_length(check, size, *settings_.max_header_length);
    }
    case FilterCheck::url_length:
      return check_length(check, target.path.size() + target.query.size(),
                          *settings_.max_url_length);
    case FilterCheck::query_length:
      return check_length(check, target.query.empty() ? 0 : target.query.size() - 1,
                          *settings_.max_query_length);
    case FilterCheck::payload_length:
      return check_payload(request.payload);
    case FilterCheck::normalization:
      if (!target.double_encoded || !*settings_.verify_normalization) return std::nullopt;
      return FilterRefusal{.check = check};
    case FilterCheck::high_bit:
      if (!target.high_bit || !*settings_.block_high_bit) return std::nullopt;
      return FilterRefusal{.check = check};
    case FilterCheck::method:
      return check_method(request.method);
    case FilterCheck::extension:
      return check_extension(target.path);
    case FilterCheck::request_header:
      return check_fields(request.fields);
    case FilterCheck::signature:
      return look_in_request(request, scratch);
    case FilterCheck::executable:
    case FilterCheck::unseen_body:
      break;
  }
  return std::nullopt;
}

std::optional<FilterRefusal> HttpFilter::check_length(FilterCheck check, std::uint64_t found,
                                                      std::uint64_t limit) const {
  if (found <= limit) return std::nullopt;
  return FilterRefusal{.check = check, .found = found, .limit = limit};
}

std::uint64_t HttpFilter::most_payload() const {
  return settings_.max_payload_length ? **settings_.max_payload_length
                                      : std::numeric_limits<std::uint64_t>::max();
}

std::optional<FilterRefusal> HttpFilter::check_payload(std::uint64_t bytes) const {
  return check_length(FilterCheck::payload_length, bytes, most_payload());
}

// Methods are told apart by case (RFC 9110 9.1).
std::optional<FilterRefusal> HttpFilter::check_method(std::string_view method) const {
  const Words& methods = settings_.methods;
  if (methods.kind == Words::Kind::any) return std::nullopt;
  const bool listed =
      std::ranges::any_of(methods.words, [method](const auto& one) { return *one == method; });
  if (listed == (methods.kind == Words::Kind::allow)) return std::nullopt;
  return FilterRefusal{.check = FilterCheck::method, .subject = method};
}

// A site may take what follows a program for its argument ("/run.exe/x.txt"), so that none of the
// directories may have a denied extension. Parameters are no part of a name to some sites and a
// part of it to others ("/a.asp;.jpg"): both readings have to pass.
std::optional<FilterRefusal> HttpFilter::check_extension(std::string_view path) const {
  const Words& extensions = settings_.extensions;
  if (extensions.kind == Words::Kind::any) return std::nullopt;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    const bool last = end == path.size();
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(end);
    const std::size_t parameters = std::min(name.find(';'), name.size());
    const std::string_view extension = extension_of(name.substr(0, parameters));
    const bool in_parameters = name.find('.', parameters) != std::string_view::npos;
    for (const std::string_view one : {extension, in_parameters ? extension_of(name) : extension}) {
      const bool matters = last || (extensions.kind == Words::Kind::deny && one != kNoExtension);
      if (matters && !allows(extensions, one)) {
        return FilterRefusal{.check = FilterCheck::extension, .subject = one};
      }
    }
  }
  return std::nullopt;
}

std::optional<FilterRefusal> HttpFilter::check_fields(HeadFields fields) const {
  if (request_headers_.empty()) return std::nullopt;
  for (std::size_t i = 0; i < fields.size; ++i) {
    const HeadField field = fields[i];
    if (contains(request_headers_, field.name)) {
      return FilterRefusal{.check = FilterCheck::request_header, .subject = field.name};
    }
  }
  return std::nullopt;
}

// One pass over URL and fields together. Only where that finds something is asked whose it is: what
// one signature looks for may stand in the other's place.
std::optional<FilterRefusal> HttpFilter::look_in_request(const FilteredRequest& request,
                                                         std::span<char> scratch) const {
  const Group& head = groups_[kRequestHead];
  if (head.set.empty()) return std::nullopt;
  Text text(scratch);
  add_url(text, request.target);
  const std::size_t url = text.size();
  for (std::size_t i = 0; i < request.fields.size; ++i) text.add_field(request.fields[i]);
  const Outcome outcome = text.spoiled() ? Outcome::exhausted : head.set.look(text.text());
  if (outcome == Outcome::none) return std::nullopt;
  if (outcome == Outcome::exhausted) return exhausted(Place::url);
  if (const auto found = name_found(Place::url, text.text().substr(0, url), 0)) return found;
  return name_found(Place::request_headers, text.text().substr(url), 0);
}

// Which signature of `place`, and of those with that `first`, is in the text.
std::optional<FilterRefusal> HttpFilter::name_found(Place place, std::string_view text,
                                                    std::uint32_t first) const {
  std::vector<int> found;
  if (group(place).set.look(text, found) == Outcome::exhausted) return exhausted(place);
  std::ranges::sort(found);
  for (const int index : found) {
    const auto& signature = *group(place).signatures[static_cast<std::size_t>(index)];
    if (*signature.place != place || (first != 0 && *signature.first != first)) continue;
    return FilterRefusal{
        .check = FilterCheck::signature, .subject = *signature.name, .place = place};
  }
  return std::nullopt;
}

// --- responses and bodies ---

bool HttpFilter::looks_at_response_head() const { return !groups_[kResponseHead].set.empty(); }

std::optional<FilterRefusal> HttpFilter::check_response_head(HeadFields fields,
                                                             std::span<char> scratch) const {
  const Group& head = groups_[kResponseHead];
  Text text(scratch);
  for (std::size_t i = 0; i < fields.size; ++i) text.add_field(fields[i]);
  const Outcome outcome = text.spoiled() ? Outcome::exhausted : head.set.look(text.text());
  if (outcome == Outcome::none) return std::nullopt;
  if (outcome == Outcome::exhausted) return exhausted(Place::response_headers);
  return name_found(Place::response_headers, text.text(), 0);
}

bool HttpFilter::removes_response_header(std::string_view name) const {
  return !response_headers_.empty() && enforces() && contains(response_headers_, name);
}

std::size_t HttpFilter::body_bytes(Place body) const {
  const auto& firsts = firsts_[group_of(body) - kFirstBody];
  const std::size_t signatures = firsts.empty() ? 0 : firsts.back();
  const bool executables = body == Place::response_body && *settings_.block_windows_executables;
  return std::max(signatures, executables ? kExecutableBytes : 0);
}

bool HttpFilter::needs_more(Place body, std::string_view first) const {
  const auto& firsts = firsts_[group_of(body) - kFirstBody];
  if (!firsts.empty() && first.size() < firsts.back()) return true;
  // A response that does not begin like an executable is not held back for it.
  return first.size() < body_bytes(body) && std::string_view("MZ").starts_with(first.substr(0, 2));
}

std::optional<FilterRefusal> HttpFilter::check_body(Place body, std::string_view first) const {
  const Group& signatures = group(body);
  for (const std::uint32_t bytes : firsts_[group_of(body) - kFirstBody]) {
    const std::string_view text = first.substr(0, bytes);
    const Outcome outcome = signatures.set.look(text);
    if (outcome == Outcome::exhausted) return exhausted(body);
    if (outcome == Outcome::none) continue;
    if (const auto found = name_found(body, text, bytes)) return found;
  }
  if (body == Place::response_body && *settings_.block_windows_executables &&
      is_executable(first)) {
    return FilterRefusal{.check = FilterCheck::executable};
  }
  return std::nullopt;
}

// --- with and without a filter ---

TargetError refused_reservation(const settings::HttpFilter* filter, const CanonicalTarget& target) {
  if (target.double_encoded && (filter == nullptr || *filter->verify_normalization)) {
    return TargetError::double_encoding;
  }
  if (target.high_bit && (filter == nullptr || *filter->block_high_bit)) {
    return TargetError::high_bit;
  }
  return TargetError::none;
}

Filtered filter_request(const HttpFilter* filter, const FilteredRequest& request,
                        std::span<char> scratch) {
  if (filter != nullptr && filter->enforces()) {
    const auto objection = filter->check_request(request, scratch);
    return {objection, objection.has_value()};
  }
  switch (refused_reservation(filter == nullptr ? nullptr : &filter->settings(), request.target)) {
    case TargetError::none:
      break;
    case TargetError::double_encoding:
      return {FilterRefusal{.check = FilterCheck::normalization}, true};
    default:
      return {FilterRefusal{.check = FilterCheck::high_bit}, true};
  }
  if (filter == nullptr) return {};
  return {filter->check_request(request, scratch), false};
}

}  // namespace ocsproxy::rules
