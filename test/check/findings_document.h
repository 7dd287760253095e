// docs/findings.md, written from the table of codes.
#pragma once

#include <string>

namespace ocsproxy {

std::string findings_document();

}  // namespace ocsproxy
