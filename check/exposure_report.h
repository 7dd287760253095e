// What --exposure prints.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "check/exposure.h"

namespace ocsproxy {

std::string exposure_as_text(std::span<const NetworkExposure> networks, const PolicyFile& policy);
std::string exposure_as_json(std::span<const NetworkExposure> networks, const PolicyFile& policy);
// A page that needs nothing but itself; all that comes from the configuration is escaped. It says
// that it was made `now` from `path`.
std::string exposure_as_html(std::span<const NetworkExposure> networks, const PolicyFile& policy,
                             const std::string& path, std::chrono::system_clock::time_point now);

// "the regex "/x[0-9]" decides which of these", of one that is not certain.
std::string doubt_text(const Exposed& one);

}  // namespace ocsproxy
