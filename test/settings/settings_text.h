// Settings as lines of text, every value included, for people to compare.
#pragma once

#include <string>

#include "settings/settings.h"

namespace ocsproxy::settings {

std::string settings_text(const Settings& settings);

}  // namespace ocsproxy::settings
