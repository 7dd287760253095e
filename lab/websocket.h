// A WebSocket (RFC 6455) that sends every message back.
#pragma once

#include "lab/visit.h"

namespace ocsproxy::lab {

// Answers the upgrade, then echoes frame by frame, so that fragments stay what they were, until the
// client closes. A request that is no upgrade gets 400.
Awaitable<void> web_socket(Visit visit);

}  // namespace ocsproxy::lab
