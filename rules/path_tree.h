// The fourth step of compiling a policy: for which path, by which method.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "rules/compiled_policy.h"

namespace ocsproxy::rules {

// How an entry is found below a node, in the order in which a node keeps them.
enum class Way : std::uint8_t { exact, prefix, regex };

// One entry under one path of one bucket for one method.
struct Record {
  std::uint32_t bucket;
  std::uint32_t path;  // index into `path_keys` of build_paths
  Way way;
  std::uint32_t regex;  // 0 unless `way` is regex
  std::uint32_t method;
  SetChoice choice;

  auto key() const { return std::tie(bucket, path, way, regex, method, choice.entry); }
  bool same_node(const Record& other) const { return bucket == other.bucket && path == other.path; }
  bool same_way(const Record& other) const {
    return same_node(other) && way == other.way && regex == other.regex;
  }
  bool same_group(const Record& other) const { return same_way(other) && method == other.method; }
};
using Records = std::vector<Record>;

// Sorts `records`, makes the nodes of `policy`, its groups and the index over them, and completes
// `buckets`, which are by number. Methods are those of `policy`.
void build_paths(CompiledPolicy& policy, Records& records,
                 std::span<const std::string_view> path_keys, std::vector<Bucket>& buckets);

}  // namespace ocsproxy::rules
