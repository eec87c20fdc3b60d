// The folder that a server keeps its data in, and the promise that no other server uses it.
#pragma once

#include <filesystem>
#include <string>

namespace ncscope::server {

// DATA/VERSION, DATA/LOCK, DATA/reports.db, DATA/statistics/, DATA/log/, DATA/spool/.
class DataFolder {
 public:
  // Creates what is missing, takes the lock and empties the spool. Throws Error, in one line, where
  // the folder cannot be used: not writable, another layout, another server.
  explicit DataFolder(std::filesystem::path root);
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;
  ~DataFolder();  // lets the lock go

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path database() const { return root_ / "reports.db"; }
  std::filesystem::path spool() const { return root_ / "spool"; }
  std::filesystem::path log() const { return root_ / "log"; }
  // What logs may take without the disk being full: what is free, and what they take now.
  uint64_t room_for_logs() const;
  std::filesystem::path statistics() const { return root_ / "statistics"; }

 private:
  void lock();
  void check_version();

  std::filesystem::path root_;
  int lock_file_ = -1;
};

}  // namespace ncscope::server
