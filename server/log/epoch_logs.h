// The logs of unfinished epochs: DATA/log/<attempt>/rank-<r>.log. They are what a restart goes on
// from, and what the second look at the samples (NC4) reads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/log/durability.h"
#include "server/log/log_file.h"

namespace ncscope::server {

class EpochLogs;

// The folder of one attempt at one series. Thread-safe.
class SeriesLog : public std::enable_shared_from_this<SeriesLog> {
 public:
  SeriesLog(EpochLogs& logs, std::filesystem::path folder, bool made)
      : logs_(logs), folder_(std::move(folder)), made_(made) {}

  EpochLogs& logs() { return logs_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path rank_path(uint32_t rank) const;
  std::filesystem::path state_path(uint32_t rank) const;

  // A log that begins empty; the file is made by its first record.
  std::shared_ptr<LogFile> new_rank(uint32_t rank);
  // Throws ResourceExhausted.
  void make_folder();
  // Makes the names of new files safe; 0, or an errno.
  int sync_folders() const;
  // Keeps a folder that nobody can read where nobody looks.
  void set_aside();
  // Removes the folder with all that is in it; for good, where `for_good` waits for the disk.
  void remove(bool for_good);

 private:
  EpochLogs& logs_;
  const std::filesystem::path folder_;
  std::mutex mutex_;
  bool made_;
};

// Thread-safe; outlives the logs.
class EpochLogs {
 public:
  // `budget` is what they may take together before sums take the place of samples; 0: no bound.
  EpochLogs(std::filesystem::path root, Durability durability, uint64_t budget = 0);
  EpochLogs(const EpochLogs&) = delete;
  EpochLogs& operator=(const EpochLogs&) = delete;
  ~EpochLogs();

  Durability durability() const { return durability_; }
  bool enabled() const { return durability_ != Durability::kNone; }
  bool syncs() const { return durability_ == Durability::kFsync; }
  const std::filesystem::path& root() const { return root_; }

  // A folder of a name that no other has; it is made when it is needed.
  std::shared_ptr<SeriesLog> new_series();
  // Those that are there, oldest first.
  std::vector<std::shared_ptr<SeriesLog>> found();

  uint64_t budget() const { return budget_; }
  bool beyond_budget() const {
    return budget_ > 0 && bytes_ > 0 && static_cast<uint64_t>(bytes_) > budget_;
  }
  // What one log may take, so that all are within the budget: what small ones leave is the others'.
  uint64_t share();
  void add_file(const LogFile* file);
  void remove_file(const LogFile* file);

  void request_sync(std::shared_ptr<LogFile> file);

  void add_bytes(int64_t bytes) { bytes_ += bytes; }
  void write_failed();
  void write_succeeded() { failing_ = false; }
  int64_t bytes() const { return bytes_; }
  uint64_t failures() const { return failures_; }
  bool failing() const { return failing_; }  // the last write or sync has failed

 private:
  void sync_until_stopped(const std::stop_token& stop);

  const std::filesystem::path root_;
  const Durability durability_;
  const uint64_t budget_;
  std::atomic<uint64_t> folders_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<bool> failing_{false};

  std::mutex files_mutex_;  // before those of the files
  std::set<const LogFile*> files_;
  uint64_t share_ = 0;
  int64_t share_bytes_ = -1;  // in all when it was computed; -1: it has to be

  std::mutex mutex_;
  std::condition_variable_any wanted_;
  std::vector<std::shared_ptr<LogFile>> dirty_;
  std::jthread syncer_;  // last: it uses the rest
};

}  // namespace ncscope::server
