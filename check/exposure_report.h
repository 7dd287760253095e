// What --exposure prints.
#pragma once

#include <span>
#include <string>

#include "check/exposure.h"

namespace ocsproxy {

std::string exposure_as_text(std::span<const NetworkExposure> networks, const PolicyFile& policy);
std::string exposure_as_json(std::span<const NetworkExposure> networks, const PolicyFile& policy);
// A page that needs nothing but itself; all that comes from the configuration is escaped.
std::string exposure_as_html(std::span<const NetworkExposure> networks, const PolicyFile& policy);

}  // namespace ocsproxy
