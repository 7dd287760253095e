#include "listeners/process_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <memory>
#include <string>

namespace ocsproxy {
namespace {

using std::chrono::system_clock;

// proc(5): the 22nd field of stat, in clock ticks since the machine's start.
std::chrono::duration<double> started_after_boot() {
  std::ifstream file("/proc/self/stat");
  file.ignore(std::numeric_limits<std::streamsize>::max(), ')');  // the name may hold anything
  std::string field;
  for (int i = 3; i < 22; ++i) file >> field;
  double ticks = 0;
  file >> ticks;
  return std::chrono::duration<double>(ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

std::chrono::duration<double> since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t open_descriptors() {
  struct Close {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };
  const std::unique_ptr<DIR, Close> folder(::opendir("/proc/self/fd"));
  if (folder == nullptr) return 0;
  std::uint64_t count = 0;
  while (::readdir(folder.get()) != nullptr) ++count;
  return count < 3 ? 0 : count - 3;  // ".", ".." and the one that reads
}

}  // namespace

ProcessUsage process_usage() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto age =
      std::chrono::duration_cast<system_clock::duration>(since_boot() - started_after_boot());
  return {.started = system_clock::now() - age,
          .resident_bytes = resident_bytes(),
          .open_descriptors = open_descriptors(),
          .most_descriptors = limit.rlim_cur};
}

}  // namespace ocsproxy
