#include "rules/path_cells.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "rules/canonical_target.h"
#include "rules/compiled_policy.h"
#include "rules/path_parameters.h"

namespace ocsproxy::rules {
namespace {

// What a path is called below which parameters stand: "/a" for "/a;p", "" for "/;p".
std::string directory_without_parameters(std::string_view key) {
  std::string result = without_parameters(key);
  if (result.ends_with('/')) result.pop_back();
  return result;
}

// "/" before every other character, so that a key's own follow it at once.
bool is_before(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c) + 1; };
    return rank(x) < rank(y);
  });
}

bool is_below(std::string_view path, std::string_view key) {
  return path.size() > key.size() && path.starts_with(key) && path[key.size()] == '/';
}

bool is_canonical(const std::string& path) {
  std::vector<char> buffer(path.size() * 3 + 1);
  CanonicalTarget target;
  return canonicalize(path, true, buffer, target) == TargetError::none && target.path == path;
}

}  // namespace

PathCells::PathCells(std::vector<std::string> keys) : keys_(std::move(keys)) {
  keys_.emplace_back();
  for (std::size_t i = 0, given = keys_.size(); i < given; ++i) {
    if (keys_[i].find(';') == std::string::npos) continue;
    // What these keys are without their parameters has to be a cell of its own.
    keys_.push_back(without_parameters(keys_[i]));
    keys_.push_back(directory_without_parameters(keys_[i]));
  }
  std::sort(keys_.begin(), keys_.end(), is_before);
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  const auto in_no_key = [this](std::string text) {
    const auto has = [&](const std::string& key) { return key.find(text) != std::string::npos; };
    while (std::any_of(keys_.begin(), keys_.end(), has)) text += 'x';
    return text;
  };
  segment_ = in_no_key("/x").substr(1);
  parameter_ = in_no_key(";x");
  link();
  add_pairs();
}

void PathCells::link() {
  std::vector<std::uint32_t> open;
  ends_.resize(keys_.size());
  for (std::uint32_t i = 0; i < size(); ++i) {
    while (!open.empty() && !is_below(keys_[i], keys_[open.back()])) {
      ends_[open.back()] = i;
      open.pop_back();
    }
    parents_.push_back(open.empty() ? 0 : open.back());
    open.push_back(i);
    numbers_.emplace(keys_[i], i);
  }
  for (const std::uint32_t key : open) ends_[key] = size();
}

void PathCells::add_pair(PathPair pair) {
  if (is_canonical(witness(pair))) pairs_.push_back(pair);
}

void PathCells::add_pairs() {
  for (std::uint32_t key = 0; key < size(); ++key) {
    const std::string& text = keys_[key];
    const bool has_parameters = text.find(';') != std::string::npos;
    if (!text.empty()) {
      const PathCell itself{key, false};
      add_pair({itself, has_parameters ? cell_of(without_parameters(text)) : itself});
    }
    if (text.ends_with('/')) continue;  // below it there is only what has "//"
    const std::uint32_t top = has_parameters ? number(directory_without_parameters(text)) : key;
    add_pair({{key, true}, {top, true}});
    for (std::uint32_t other = top + 1; other < ends_[top]; ++other) {
      if (keys_[other].find(';') != std::string::npos) continue;
      add_pair({{key, true}, {other, false}});
      if (!keys_[other].ends_with('/')) add_pair({{key, true}, {other, true}});
    }
  }
  std::sort(pairs_.begin(), pairs_.end());
}

PathCell PathCells::cell_of(std::string_view path) const {
  const std::string folded = lower(path);
  std::uint32_t last = 0;
  for (std::size_t begin = 0; begin < folded.size();) {
    const std::size_t end = piece_end(folded, begin);
    const auto found = numbers_.find(std::string_view(folded).substr(0, end));
    if (found != numbers_.end()) last = found->second;
    begin = end;
  }
  return {last, keys_[last].size() < folded.size()};
}

PathPair PathCells::find(std::string_view path) const {
  return {cell_of(path), cell_of(without_parameters(path))};
}

std::string PathCells::plain_witness(PathCell cell) const {
  return cell.below ? keys_[cell.key] + '/' + segment_ : keys_[cell.key];
}

std::string PathCells::witness(const PathPair& pair) const {
  const PathCell sent = pair.as_sent;
  const std::string& key = keys_[sent.key];
  if (!sent.below || !pair.has_parameters()) return plain_witness(sent);
  // The parameters stand in the first segment that is not the key's.
  const std::string stripped = plain_witness(pair.stripped);
  const std::size_t begin = directory_without_parameters(key).size();
  const std::size_t end = piece_end(stripped, begin);
  return key + stripped.substr(begin, end - begin) + parameter_ + stripped.substr(end);
}

bool PathCells::exists(PathPair pair) const {
  return std::binary_search(pairs_.begin(), pairs_.end(), pair);
}

std::vector<std::uint32_t> PathCells::children(std::uint32_t key) const {
  std::vector<std::uint32_t> result;
  for (std::uint32_t child = key + 1; child < ends_[key]; child = ends_[child]) {
    result.push_back(child);
  }
  return result;
}

}  // namespace ocsproxy::rules
