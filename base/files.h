// Where the bytes of the configuration come from. The process that may read root-only files is not
// the one that serves, so everything that a configuration names is read through this interface:
// from the disk, or from what the privileged side has read already.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace ocsproxy {

class Files {
 public:
  virtual ~Files() = default;
  // The whole file. The error's detail is one sentence: "cannot read a.pem: Permission denied".
  virtual Result<std::string> read(const std::string& path) = 0;
  // False when the file is there, or may be, and this account may not read it.
  virtual bool may_read(const std::string& path) const;
  // The *.yaml and *.yml files of a directory in the byte order of their names, or the path itself
  // when it is a file.
  virtual Result<std::vector<std::string>> configuration_files(const std::string& path) = 0;
};

// The disk; remembers every answer, so that a load can be handed on as a MemoryFiles.
// Some of it may be private keys: all is wiped in the end.
class DiskFiles : public Files {
 public:
  DiskFiles() = default;
  DiskFiles(const DiskFiles&) = delete;
  DiskFiles& operator=(const DiskFiles&) = delete;
  ~DiskFiles() override;

  Result<std::string> read(const std::string& path) override;
  bool may_read(const std::string& path) const override;
  Result<std::vector<std::string>> configuration_files(const std::string& path) override;
  const std::map<std::string, std::string>& contents() const { return contents_; }
  const std::map<std::string, std::vector<std::string>>& listings() const { return listings_; }

 private:
  std::map<std::string, std::string> contents_;
  std::map<std::string, std::vector<std::string>> listings_;
};

// What another process read, or what a test made up. Wiped in the end.
class MemoryFiles : public Files {
 public:
  MemoryFiles(std::map<std::string, std::string> contents,
              std::map<std::string, std::vector<std::string>> listings)
      : contents_(std::move(contents)), listings_(std::move(listings)) {}
  MemoryFiles(const MemoryFiles&) = delete;
  MemoryFiles& operator=(const MemoryFiles&) = delete;
  ~MemoryFiles() override;

  Result<std::string> read(const std::string& path) override;
  Result<std::vector<std::string>> configuration_files(const std::string& path) override;

 private:
  std::map<std::string, std::string> contents_;
  std::map<std::string, std::vector<std::string>> listings_;
};

// `path` itself when absolute, else below `directory`.
std::string resolve_path(const std::string& directory, const std::string& path);

}  // namespace ocsproxy
