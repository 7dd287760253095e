// The findings of a run as --check prints them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/finding.h"

namespace ocsproxy {

enum class ReportFormat : std::uint8_t {
  text,   // for people: as render() shows them, and a line that counts them
  json,   // for scripts
  sarif,  // for code review tools: SARIF 2.1.0 (OASIS), with all codes as its rules
  html,   // for auditors: a page; findings have none
};

// `findings` are sorted. `colour` is for text alone. `well` is what was tried and is as it should
// be, for text and JSON: SARIF is about faults. Ends with a line end.
std::string report_findings(const Findings& findings, const Sources& sources, ReportFormat format,
                            bool colour, std::span<const std::string> well = {});

}  // namespace ocsproxy
