#include "rules/compiled_policy.h"

#include <bit>

#include "rules/folded_text.h"

namespace ocsproxy::rules {

HashIndex::HashIndex(std::size_t count)
    : slots_(std::bit_ceil(count * 2 + 2), kNone),
      mask_(slots_.size() - 1),
      // One more than is needed, so that no slot in use is kNone.
      index_mask_(static_cast<std::uint32_t>(std::bit_ceil(count + 1) - 1)) {}

void HashIndex::insert(std::uint64_t hash, std::uint32_t index) {
  std::size_t at = hash & mask_;
  while (slots_[at] != kNone) at = (at + 1) & mask_;
  slots_[at] = tag_of(hash) | index;
}

std::uint64_t name_hash(std::uint32_t scope, NameKind kind, std::string_view name) {
  return fold_hash(std::uint64_t{scope} << 8 | static_cast<std::uint64_t>(kind), name);
}

std::uint64_t path_seed(std::uint32_t bucket) { return bucket; }

std::uint64_t path_hash(std::uint32_t bucket, std::string_view path) {
  std::uint64_t hash = path_seed(bucket);
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = piece_end(path, begin);
    hash = fold_hash(hash, path.substr(begin, end - begin));
    begin = end;
  }
  return hash;
}

}  // namespace ocsproxy::rules
