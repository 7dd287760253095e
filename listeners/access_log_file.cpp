#include "listeners/access_log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace ocsproxy {
namespace {

Error cannot_open(const std::string& path, const std::string& why) {
  return Error{.detail = "cannot open the access log " + path + ": " + why};
}

Result<Descriptor> duplicate_of(int descriptor, const std::string& path) {
  Descriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!copy) return cannot_open(path, errno_text(errno));
  return copy;
}

// 0 or errno.
int make_directories(const std::filesystem::path& directory) {
  if (directory.empty() || ::access(directory.c_str(), F_OK) == 0) return 0;
  if (const int error = make_directories(directory.parent_path())) return error;
  return ::mkdir(directory.c_str(), 0750) == 0 || errno == EEXIST ? 0 : errno;
}

}  // namespace

Result<Descriptor> open_access_log(const std::string& path) {
  if (path == "/dev/stdout") return duplicate_of(STDOUT_FILENO, path);
  if (path == "/dev/stderr") return duplicate_of(STDERR_FILENO, path);
  if (const int error = make_directories(std::filesystem::path(path).parent_path())) {
    return cannot_open(path, "its directory cannot be made: " + errno_text(error));
  }
  // O_NONBLOCK: opening a pipe that nobody reads would wait for ever. A file does not mind.
  Descriptor file(
      ::open(path.c_str(),
             O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640));
  if (!file && errno == ELOOP) {
    return cannot_open(path, "it is a symbolic link; name the file that it points at");
  }
  if (!file && errno == ENXIO) return cannot_open(path, "it is not a regular file");
  if (!file) return cannot_open(path, errno_text(errno));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return cannot_open(path, errno_text(errno));
  if (!S_ISREG(info.st_mode)) return cannot_open(path, "it is not a regular file");
  return file;
}

Result<Descriptor> reopen_access_log(EncodedBundle& bundle) {
  const auto summary = decode_summary(bundle);
  if (!summary) return summary.error();
  if (summary->access_log_path.empty()) {
    return Error{.detail = "there is no access log to open again: `access_log` is not configured"};
  }
  auto file = open_access_log(summary->access_log_path);
  if (!file) return file;
  auto copy = duplicate_of(file->get(), summary->access_log_path);
  if (copy) bundle.descriptors.back() = *std::move(file);
  return copy;
}

}  // namespace ocsproxy
