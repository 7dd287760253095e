#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/descriptor.h"
#include "base/wipe.h"

namespace ocsproxy {
namespace {

constexpr std::size_t kLargestFile = 256ULL << 20;

Error cannot_read(const std::string& path, const std::string& why) {
  return Error{.kind = ErrorKind::system, .detail = "cannot read " + path + ": " + why};
}

void wipe_all(std::map<std::string, std::string>& contents) {
  for (auto& [path, text] : contents) wipe(text);
}

}  // namespace

DiskFiles::~DiskFiles() { wipe_all(contents_); }
MemoryFiles::~MemoryFiles() { wipe_all(contents_); }

Result<std::string> DiskFiles::read(const std::string& path) {
  if (const auto known = contents_.find(path); known != contents_.end()) return known->second;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return cannot_read(path, errno_text(errno));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return cannot_read(path, errno_text(errno));
  if (S_ISDIR(info.st_mode)) return cannot_read(path, "it is a directory");
  if (!S_ISREG(info.st_mode)) return cannot_read(path, "it is not a regular file");
  if (static_cast<std::size_t>(info.st_size) > kLargestFile)
    return cannot_read(path, "it is larger than 256 MiB");
  // Of the size it has, so that it need not move: no part of a key is left behind.
  std::string text(static_cast<std::size_t>(info.st_size) + 1, '\0');
  std::size_t size = 0;
  while (true) {
    if (size == text.size()) text.resize(size * 2);  // it grows while it is read
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(path, errno_text(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  contents_.emplace(path, text);
  return text;
}

bool Files::may_read(const std::string&) const { return true; }

bool DiskFiles::may_read(const std::string& path) const {
  return ::access(path.c_str(), R_OK) == 0 || errno != EACCES;
}

Result<std::vector<std::string>> DiskFiles::configuration_files(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) return cannot_read(path, error.message());
  std::vector<std::string> files;
  if (std::filesystem::is_directory(status)) {
    for (auto it = std::filesystem::directory_iterator(path, error);
         !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      const auto extension = it->path().extension();
      if (extension == ".yaml" || extension == ".yml") files.push_back(it->path().string());
    }
    if (error) return cannot_read(path, error.message());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  listings_[path] = files;
  return files;
}

Result<std::string> MemoryFiles::read(const std::string& path) {
  const auto found = contents_.find(path);
  if (found == contents_.end()) return cannot_read(path, errno_text(ENOENT));
  return found->second;
}

Result<std::vector<std::string>> MemoryFiles::configuration_files(const std::string& path) {
  const auto found = listings_.find(path);
  if (found == listings_.end()) return cannot_read(path, errno_text(ENOENT));
  return found->second;
}

std::string resolve_path(const std::string& directory, const std::string& path) {
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

}  // namespace ocsproxy
