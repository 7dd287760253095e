// An HTTP filter as it judges messages: compiled once for each load, immutable, shared by the rules
// that name it and by all workers. No I/O. What it looks at of a request is what goes upstream: the
// canonical path, and the query and the fields as they came.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "rules/canonical_target.h"
#include "rules/signature_set.h"
#include "settings/http_filter.h"

namespace ocsproxy::rules {

// In the order in which they are asked; the first objection is the one that counts.
enum class FilterCheck : std::uint8_t {
  header_length,
  url_length,
  query_length,
  payload_length,
  normalization,
  high_bit,
  method,
  extension,
  request_header,
  signature,
  executable,
  unseen_body,  // its beginning does not fit where it is held back
};
inline constexpr std::size_t kFilterChecks = static_cast<std::size_t>(FilterCheck::unseen_body) + 1;
// Those that a request's head can be asked.
inline constexpr std::array kRequestChecks{FilterCheck::header_length,  FilterCheck::url_length,
                                           FilterCheck::query_length,   FilterCheck::payload_length,
                                           FilterCheck::normalization,  FilterCheck::high_bit,
                                           FilterCheck::method,         FilterCheck::extension,
                                           FilterCheck::request_header, FilterCheck::signature};
std::string_view to_string(FilterCheck check);  // "query_length"
std::string_view describe(FilterCheck check);   // "the query is longer than its HTTP filter allows"

// An objection. The views are of the filter and of the message.
struct FilterRefusal {
  FilterCheck check = FilterCheck::signature;
  std::uint64_t found = 0, limit = 0;   // of a length
  std::string_view subject{};           // method, extension, header; signature: its name, "" when
                                        // none could be looked for
  settings::HttpFilter::Place place{};  // signature
};
// For the log: `query 4711 > 4096`, `signature "Shellshock" in request_headers`.
std::string describe(const FilterRefusal& refusal);

// The fields of a head, wherever they lie.
struct HeadField {
  std::string_view name, value;
};
struct HeadFields {
  const void* list = nullptr;
  std::size_t size = 0;
  HeadField (*at)(const void* list, std::size_t index) = nullptr;

  HeadField operator[](std::size_t index) const { return at(list, index); }
};

struct FilteredRequest {
  std::string_view method;
  const CanonicalTarget& target;
  HeadFields fields{};
  std::uint64_t payload = 0;  // as declared
};

class HttpFilter {
 public:
  using Place = settings::HttpFilter::Place;
  // Enough for the text that signatures are looked for in, whatever the head.
  static constexpr std::size_t kScratchBytes = std::size_t{64} * 1024;
  // Of a Windows executable, to know it.
  static constexpr std::size_t kExecutableBytes = 64;

  // What is wrong with the signatures goes to `findings`; with errors it must not be used.
  // `settings` outlives the filter.
  static std::shared_ptr<const HttpFilter> compile(const settings::HttpFilter& settings,
                                                   Findings& findings);

  const settings::HttpFilter& settings() const { return settings_; }
  bool enforces() const { return *settings_.mode == settings::HttpFilter::Mode::enforce; }

  // The first objection to a request's head, or the one of one check. No allocation unless a
  // signature is found. `scratch` is for the text of signatures; what does not fit is refused.
  std::optional<FilterRefusal> check_request(const FilteredRequest& request,
                                             std::span<char> scratch) const;
  std::optional<FilterRefusal> check_request(FilterCheck check, const FilteredRequest& request,
                                             std::span<char> scratch) const;
  // Of a payload that is counted while it passes; the largest of all numbers when any may pass.
  std::uint64_t most_payload() const;
  std::optional<FilterRefusal> check_payload(std::uint64_t bytes) const;

  bool looks_at_response_head() const;
  std::optional<FilterRefusal> check_response_head(HeadFields fields,
                                                   std::span<char> scratch) const;
  bool removes_response_header(std::string_view name) const;

  // Bodies. How many of the first bytes can matter; 0: none are looked at.
  std::size_t body_bytes(Place body) const;
  // Could more than `first` tell more?
  bool needs_more(Place body, std::string_view first) const;
  // `first` are the first bytes: all that matter, or all that there are.
  std::optional<FilterRefusal> check_body(Place body, std::string_view first) const;

  // The methods that a refused one is answered with.
  std::string_view allowed_methods() const { return allowed_methods_; }

 private:
  // The signatures of one text. Places are told apart by asking a part of the text again, once
  // something was found.
  struct Group {
    SignatureSet set;
    std::vector<const settings::HttpFilter::Signature*> signatures;
  };

  explicit HttpFilter(const settings::HttpFilter& settings);
  void add_signatures(Findings& findings);
  const Group& group(Place place) const { return groups_[group_of(place)]; }
  static std::size_t group_of(Place place);

  std::optional<FilterRefusal> check_length(FilterCheck check, std::uint64_t found,
                                            std::uint64_t limit) const;
  std::optional<FilterRefusal> check_method(std::string_view method) const;
  std::optional<FilterRefusal> check_extension(std::string_view path) const;
  std::optional<FilterRefusal> check_fields(HeadFields fields) const;
  std::optional<FilterRefusal> look_in_request(const FilteredRequest& request,
                                               std::span<char> scratch) const;
  std::optional<FilterRefusal> name_found(Place place, std::string_view text,
                                          std::uint32_t first) const;

  const settings::HttpFilter& settings_;
  std::string allowed_methods_;
  std::vector<std::string> request_headers_;   // lower case, sorted
  std::vector<std::string> response_headers_;  // likewise
  std::array<Group, 4> groups_;  // request head, response head, request body, response body
  std::array<std::vector<std::uint32_t>, 2> firsts_;  // of the bodies, ascending, each once
};

// What `filter`, which may be null, does not let pass of a target's reservations.
TargetError refused_reservation(const settings::HttpFilter* filter, const CanonicalTarget& target);

// What becomes of a request that the rule with this filter (null for none) allows.
struct Filtered {
  std::optional<FilterRefusal> objection{};
  bool refused = false;  // else the objection is only reported
};
// Reporting never lets pass what no filter at all would refuse.
Filtered filter_request(const HttpFilter* filter, const FilteredRequest& request,
                        std::span<char> scratch);

}  // namespace ocsproxy::rules
