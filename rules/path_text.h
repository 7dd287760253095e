// Sets of paths as a person would write them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rules/path_cells.h"

namespace ocsproxy::rules {

// "/abs/* but not /abs/int/*" and so on, for pairs of `cells`, sorted. What a path is with
// ;parameters is said only where it does not go with the path that it is without them.
std::vector<std::string> describe_paths(const PathCells& cells, std::span<const PathPair> pairs);

}  // namespace ocsproxy::rules
