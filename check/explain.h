// --explain: what becomes of one request, and why. Asked of the code that serves: the parser of
// heads, the rule table, the choice of certificates, the writer of the request that goes upstream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip_address.h"
#include "check/findings_report.h"
#include "check/machine.h"
#include "rules/rule_table.h"
#include "settings/settings.h"
#include "tls/certificate.h"

namespace ocsproxy {

// What a question is asked of. Refers to its parts, which outlive it.
struct ServedConfiguration {
  const settings::Settings& settings;
  const rules::RuleTable& table;
  // For each listener its certificates, null where one cannot be read.
  const std::vector<std::vector<std::shared_ptr<const Certificate>>>& certificates;
};

struct Question {
  std::string url;
  IpAddress from;
  std::string method = "GET";
  std::vector<std::string> headers;  // "Name: value"
};

// What the HTTP filter of the rule that allows a request says, check by check.
struct FilterAnswers {
  struct One {
    rules::FilterCheck check{};
    std::string objection;  // "": it passes
  };
  std::string name;  // "": it stands in the rule
  bool enforces = true;
  std::vector<One> checks;
  bool looks_further = false;  // at the request's body, or at the response
};

struct Explanation {
  enum class Outcome : std::uint8_t {
    no_listener,  // nobody listens there: the connection is refused
    not_served,   // the listener is not for clients of this network: the connection is dropped
    refused,      // the message itself, before any rule is asked or after one allowed it
    denied,
    redirected,
    forwarded,
  };
  Outcome outcome = Outcome::no_listener;
  std::uint16_t status = 0;  // refused, denied and redirected: what the client is answered
  std::string reason;        // no_listener, not_served and refused: one sentence
  std::string location;      // redirected

  std::string network;                       // that the client is in
  std::optional<std::uint32_t> listener;     // index into Settings::listeners
  std::vector<std::string> other_listeners;  // on the same port; `listener` fits best
  std::string certificate;                   // subject of the one that is shown; "" for none
  bool certificate_covers = false;           // is it for the host of the URL?

  // What rules judge; "" when the message was refused.
  std::string public_name;
  std::string path;
  std::string path_without_parameters;  // "" when it has none: both forms are judged

  rules::Decision decision;
  std::vector<rules::RuleTrace> rules;  // by rule; empty when they were not asked
  std::vector<rules::RuleTrace> rules_without_parameters;

  std::optional<FilterAnswers> filter;
  std::string near_miss;  // a public name that may have been meant; one sentence, "" for none

  std::string upstream_head;  // forwarded: with a request id of zeros
};

// Fails when the question is none: an URL of another scheme, a header without a colon. Then the
// detail is one sentence.
Result<Explanation> explain(const ServedConfiguration& configuration, const Machine& machine,
                            const Question& question);

// The same as it is printed. `format` is text or json.
Result<std::string> explain_as(ReportFormat format, const ServedConfiguration& configuration,
                               const Machine& machine, const Question& question);

std::string explanation_text(const Explanation& explanation, const Question& question,
                             const settings::Settings& settings);
std::string explanation_json(const Explanation& explanation, const Question& question,
                             const settings::Settings& settings);

}  // namespace ocsproxy
