// Carries out a fault of lab/misbehaviour.h.
#pragma once

#include "lab/visit.h"

namespace ocsproxy::lab {

// Answers the request wrongly. Precondition: the fault does not concern authentication.
Awaitable<void> misbehave(Visit visit, const Misbehaviour& fault);
// The answer to words that Misbehaviour::parse does not know: 400 and the list.
Awaitable<void> explain_misbehaviour(Visit visit);

}  // namespace ocsproxy::lab
