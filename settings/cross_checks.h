// What only the whole configuration can show: names that are used twice or that nothing bears,
// networks and listeners that collide, what is missing altogether.
#pragma once

#include "settings/readers.h"

namespace ocsproxy::settings {

void check_whole(Reading& reading);

}  // namespace ocsproxy::settings
