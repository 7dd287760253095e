#include "check/findings_report.h"

#include <algorithm>
#include <string_view>

#include "base/json.h"
#include "base/text.h"

namespace ocsproxy {
namespace {

std::string counted(std::size_t count, std::string_view what) {
  std::string text = std::to_string(count);
  return text.append(" ").append(what).append(count == 1 ? "" : "s");
}

std::string text_report(const Findings& findings, const Sources& sources, bool colour,
                        std::span<const std::string> well) {
  std::string tried;
  for (const std::string& one : well) tried += "ok: " + one + '\n';
  return tried + render(findings, sources, colour) +
         counted(findings.count(Severity::error), "error") + ", " +
         counted(findings.count(Severity::warning), "warning") + ", " +
         counted(findings.count(Severity::note), "note") + '\n';
}

bool has_line(const Finding& finding) {
  return finding.where.file != Location::kNoFile && finding.where.line != 0;
}

std::string json_report(const Findings& findings, const Sources& sources,
                        std::span<const std::string> well) {
  JsonWriter json;
  json.begin_object();
  json.field("errors", findings.count(Severity::error));
  json.field("warnings", findings.count(Severity::warning));
  json.field("notes", findings.count(Severity::note));
  json.key("findings").begin_array();
  for (const Finding& finding : findings.all()) {
    json.begin_object();
    json.field("severity", to_string(finding.severity)).field("code", finding.code);
    if (finding.where.file != Location::kNoFile) {
      json.field("file", sources.path(finding.where.file));
    }
    if (has_line(finding)) {
      json.field("line", finding.where.line).field("column", mark_of(finding, sources).column);
      json.field("source", sources.line(finding.where));
    }
    json.field("text", finding.text).field("mend", finding.mend).end_object();
  }
  json.end_array();
  if (!well.empty()) {
    json.key("well").begin_array();
    for (const std::string& one : well) json.text(one);
    json.end_array();
  }
  json.end_object();
  return json.take();
}

// --- SARIF ---

// RFC 3986: what a path may hold unescaped in a URI reference.
std::string uri_of(std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    if (is_alpha(c) || is_digit(c) || std::string_view("/-._~").find(c) != std::string_view::npos) {
      uri += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      uri.append(1, '%').append(1, kHex[byte >> 4U]).append(1, kHex[byte & 15U]);
    }
  }
  return uri;
}

// Of the first `bytes` of `line`.
std::size_t characters(std::string_view line, std::size_t bytes) {
  const std::string_view part = line.substr(0, bytes);
  return static_cast<std::size_t>(std::ranges::count_if(
      part, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; }));
}

void write_rules(JsonWriter& json) {
  json.key("rules").begin_array();
  for (const FindingCode& code : kFindingCodes) {
    json.begin_object().field("id", code.name);
    json.key("shortDescription").begin_object().field("text", code.meaning).end_object();
    json.key("help").begin_object().field("text", code.mend).end_object();
    json.key("defaultConfiguration").begin_object();
    json.field("level", to_string(code.severity)).end_object().end_object();
  }
  json.end_array();
}

void write_location(JsonWriter& json, const Finding& finding, const Sources& sources) {
  json.key("locations").begin_array();
  if (finding.where.file != Location::kNoFile) {
    json.begin_object().key("physicalLocation").begin_object();
    json.key("artifactLocation").begin_object();
    json.field("uri", uri_of(sources.path(finding.where.file))).end_object();
    if (has_line(finding)) {
      const Mark mark = mark_of(finding, sources);
      const std::string_view line = sources.line(finding.where);
      json.key("region").begin_object().field("startLine", finding.where.line);
      json.field("startColumn", 1 + characters(line, mark.column - 1));
      if (mark.length > 0) {
        json.field("endColumn", 1 + characters(line, mark.column - 1 + mark.length));
      }
      json.end_object();
    }
    json.end_object().end_object();
  }
  json.end_array();
}

void write_result(JsonWriter& json, const Finding& finding, const Sources& sources) {
  const auto* const row =
      std::ranges::lower_bound(kFindingCodes, finding.code, {}, &FindingCode::name);
  json.begin_object().field("ruleId", finding.code);
  json.field("ruleIndex", static_cast<std::uint64_t>(row - kFindingCodes.begin()));
  json.field("level", to_string(finding.severity));
  const std::string_view between = finding.mend.empty() ? "" : "\n";
  json.key("message").begin_object();
  json.field("text", finding.text + std::string(between) + finding.mend).end_object();
  write_location(json, finding, sources);
  json.end_object();
}

std::string sarif_report(const Findings& findings, const Sources& sources) {
  JsonWriter json;
  json.begin_object();
  json.field("$schema", "https://json.schemastore.org/sarif-2.1.0.json").field("version", "2.1.0");
  json.key("runs").begin_array().begin_object();
  json.key("tool").begin_object().key("driver").begin_object();
  json.field("name", "ocsproxy").field("version", OCSPROXY_VERSION);
  write_rules(json);
  json.end_object().end_object();
  json.field("columnKind", "unicodeCodePoints");
  json.key("results").begin_array();
  for (const Finding& finding : findings.all()) write_result(json, finding, sources);
  json.end_array().end_object().end_array().end_object();
  return json.take();
}

}  // namespace

std::string report_findings(const Findings& findings, const Sources& sources, ReportFormat format,
                            bool colour, std::span<const std::string> well) {
  switch (format) {
    case ReportFormat::text:
      break;
    case ReportFormat::json:
      return json_report(findings, sources, well);
    case ReportFormat::html:
      break;
    case ReportFormat::sarif:
      return sarif_report(findings, sources);
  }
  return text_report(findings, sources, colour, well);
}

}  // namespace ocsproxy
