#include "proxy/process_load.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "base/descriptor.h"
#include "base/units.h"

namespace ocsproxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// In thousandths of the budget.
constexpr std::uint64_t kClosing = 800;
constexpr std::uint64_t kShedding = 900;
constexpr std::uint64_t kRefusing = 970;

std::uint64_t thousandths(std::uint64_t used, std::uint64_t budget) {
  return budget == 0 ? 0 : used * 1000 / budget;
}

LoadLevel level_of(std::uint64_t thousandths) {
  if (thousandths >= kRefusing) return LoadLevel::refusing;
  if (thousandths >= kShedding) return LoadLevel::shedding;
  return thousandths >= kClosing ? LoadLevel::closing : LoadLevel::normal;
}

struct ResourceText {
  std::string_view unit;
  std::string_view mend;
};
constexpr std::array<ResourceText, ProcessLoad::kResources> kTexts{{
    {"connections", "limits.connections at the top of the configuration"},
    {"descriptors", "LimitNOFILE= in the unit, or ulimit -n"},
    {"MiB of memory", "limits.memory at the top of the configuration, or more memory"},
}};

// The first word of a file of the kernel's; "" when there is none.
std::string word_of(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// The least of the limits of the cgroup (version 2) that the process is in and of those above it.
std::uint64_t cgroup_memory() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  std::string path;
  while (std::getline(file, line)) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  std::uint64_t least = 0;
  while (true) {
    const auto limit = parse_number(word_of("/sys/fs/cgroup" + path + "/memory.max"));
    if (limit) least = least == 0 ? *limit : std::min(least, *limit);
    if (path.empty()) return least;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

}  // namespace

void ProcessLoad::set_budget(const Amounts& budget) {
  for (std::size_t i = 0; i < kResources; ++i) budget_[i].store(budget[i], kRelaxed);
}

ProcessLoad::Amounts ProcessLoad::budget() const {
  Amounts amounts{};
  for (std::size_t i = 0; i < kResources; ++i) amounts[i] = budget_[i].load(kRelaxed);
  return amounts;
}

ProcessLoad::Amounts ProcessLoad::in_use() const {
  std::uint64_t clients = 0;
  std::uint64_t upstreams = 0;
  for (const Counters* const one : workers_) {
    clients += one->open_connections.value();
    upstreams += one->open_upstreams.value();
  }
  return {clients, clients + upstreams + others_, memory_.load(kRelaxed)};
}

LoadLevel ProcessLoad::level() const {
  const Amounts used = in_use();
  const Amounts budget = this->budget();
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < kResources; ++i)
    most = std::max(most, thousandths(used[i], budget[i]));
  return level_of(most);
}

bool ProcessLoad::starving() const {
  const auto memory = static_cast<std::size_t>(Resource::memory);
  return thousandths(memory_.load(kRelaxed), budget_[memory].load(kRelaxed)) >= kRefusing;
}

void ProcessLoad::saw(LoadLevel level) {
  LoadLevel known = peak_.load(kRelaxed);
  while (level > known && !peak_.compare_exchange_weak(known, level, kRelaxed)) {
  }
}

std::string ProcessLoad::describe() const {
  const Amounts used = in_use();
  const Amounts budget = this->budget();
  std::size_t scarcest = 0;
  for (std::size_t i = 1; i < kResources; ++i) {
    if (thousandths(used[i], budget[i]) > thousandths(used[scarcest], budget[scarcest]))
      scarcest = i;
  }
  const bool bytes = scarcest == static_cast<std::size_t>(Resource::memory);
  const auto shown = [bytes](std::uint64_t amount) {
    return std::to_string(bytes ? amount >> 20 : amount);
  };
  return shown(used[scarcest]) + " of " + shown(budget[scarcest]) + ' ' +
         std::string(kTexts[scarcest].unit) + " are in use (" + std::string(kTexts[scarcest].mend) +
         ")";
}

// ---- what there is

std::uint64_t available_memory() {
  struct sysinfo machine {};
  if (::sysinfo(&machine) != 0) return 0;
  const std::uint64_t installed = std::uint64_t{machine.totalram} * machine.mem_unit;
  const std::uint64_t permitted = cgroup_memory();
  const std::uint64_t least = permitted == 0 ? installed : std::min(installed, permitted);
  return least / 10 * 9;
}

// Asked for every second, also when there is none: it takes no memory itself.
std::uint64_t resident_memory() {
  const Descriptor file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
  if (size <= 0) return 0;
  // In pages: all that is mapped, and what of it is there.
  const std::string_view line(text.data(), static_cast<std::size_t>(size));
  const std::string_view behind = line.substr(std::min(line.find(' ') + 1, line.size()));
  const auto pages = parse_number(behind.substr(0, behind.find(' ')));
  return pages.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
  return limit.rlim_cur;
}

std::uint64_t open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  std::uint64_t count = 0;
  while (directory && ::readdir(directory.get()) != nullptr) ++count;
  return count < 3 ? 0 : count - 3;  // ".", ".." and the directory's own
}

}  // namespace ocsproxy
