#include "server/log/epoch_logs.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "server/core/errors.h"
#include "server/log/failpoint.h"

namespace ncscope::server {
namespace {

// 0, or an errno.
int sync_folder(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return errno;
  const int error = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  return error;
}

}  // namespace

std::filesystem::path SeriesLog::rank_path(uint32_t rank) const {
  return folder_ / ("rank-" + std::to_string(rank) + ".log");
}

std::filesystem::path SeriesLog::state_path(uint32_t rank) const {
  return folder_ / ("rank-" + std::to_string(rank) + ".ncstats");
}

std::shared_ptr<LogFile> SeriesLog::new_rank(uint32_t rank) {
  return std::make_shared<LogFile>(shared_from_this(), rank_path(rank));
}

void SeriesLog::make_folder() {
  const std::lock_guard lock(mutex_);
  if (made_) return;
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw ResourceExhausted("log: cannot create a folder: " + std::string(std::strerror(errno)) +
                            "; make room in the data folder and send it again");
  }
  made_ = true;
}

int SeriesLog::sync_folders() const {
  if (const int error = failpoint("log.enter")) return error;
  const int error = sync_folder(folder_);
  return error != 0 ? error : sync_folder(logs_.root());
}

void SeriesLog::remove(bool for_good) {
  const std::lock_guard lock(mutex_);
  if (!made_) return;
  failpoint("log.remove");
  // Not by its name any more first, so that half a log is never taken for a whole one.
  const std::filesystem::path gone = folder_.string() + ".gone";
  std::error_code error;
  std::filesystem::rename(folder_, gone, error);
  failpoint("log.renamed");
  std::filesystem::remove_all(error ? folder_ : gone, error);
  failpoint("log.removed");
  if (error) {
    spdlog::warn("cannot remove {}: {}; it is tried again at the next start", gone.string(),
                 error.message());
  }
  if (for_good && logs_.syncs()) sync_folder(logs_.root());
  made_ = false;
}

void SeriesLog::set_aside() {
  const std::filesystem::path aside = folder_.string() + ".damaged";
  std::error_code error;
  std::filesystem::rename(folder_, aside, error);
  spdlog::error("{} does not say what epoch it is of: kept as {}", folder_.string(),
                aside.filename().string());
}

EpochLogs::EpochLogs(std::filesystem::path root, Durability durability, uint64_t budget)
    : root_(std::move(root)), durability_(durability), budget_(budget) {
  if (syncs()) {
    syncer_ = std::jthread([this](const std::stop_token& stop) { sync_until_stopped(stop); });
  }
}

EpochLogs::~EpochLogs() = default;

std::shared_ptr<SeriesLog> EpochLogs::new_series() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string name =
      std::to_string(std::chrono::nanoseconds(now).count()) + "-" + std::to_string(folders_++);
  return std::make_shared<SeriesLog>(*this, root_ / name, false);
}

std::vector<std::shared_ptr<SeriesLog>> EpochLogs::found() {
  std::vector<std::shared_ptr<SeriesLog>> out;
  for (const auto& entry : std::filesystem::directory_iterator(root_)) {
    if (!entry.is_directory()) continue;
    if (entry.path().extension() == ".damaged") continue;
    if (entry.path().extension() == ".gone") {
      std::error_code ignored;  // tried again at the next start
      std::filesystem::remove_all(entry.path(), ignored);
      continue;
    }
    out.push_back(std::make_shared<SeriesLog>(*this, entry.path(), true));
  }
  std::ranges::sort(out, {}, [](const auto& log) { return log->folder().filename().string(); });
  return out;
}

void EpochLogs::write_failed() {
  ++failures_;
  if (!failing_.exchange(true)) {
    spdlog::error(
        "the data folder does not take what is logged: batches are refused until it does");
  }
}

void EpochLogs::add_file(const LogFile* file) {
  const std::lock_guard lock(files_mutex_);
  files_.insert(file);
  share_bytes_ = -1;
}

void EpochLogs::remove_file(const LogFile* file) {
  const std::lock_guard lock(files_mutex_);
  files_.erase(file);
  share_bytes_ = -1;
}

uint64_t EpochLogs::share() {
  const std::lock_guard lock(files_mutex_);
  const int64_t bytes = bytes_;
  const auto grain = static_cast<int64_t>(budget_ / 64);
  if (share_bytes_ >= 0 && std::abs(bytes - share_bytes_) <= grain) return share_;
  share_bytes_ = bytes;
  std::vector<uint64_t> sizes;
  for (const LogFile* file : files_) sizes.push_back(file->size());
  std::ranges::sort(sizes);
  uint64_t left = budget_;
  share_ = budget_;
  for (size_t i = 0; i < sizes.size(); ++i) {
    share_ = left / (sizes.size() - i);
    if (sizes[i] > share_) break;  // so are all after it
    left -= sizes[i];
  }
  return share_;
}

void EpochLogs::request_sync(std::shared_ptr<LogFile> file) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(dirty_, file) == dirty_.end()) dirty_.push_back(std::move(file));
  wanted_.notify_one();
}

// What comes while one round is under way goes into the next one together.
void EpochLogs::sync_until_stopped(const std::stop_token& stop) {
  std::vector<std::shared_ptr<LogFile>> round;
  std::unique_lock lock(mutex_);
  while (wanted_.wait(lock, stop, [&] { return !dirty_.empty(); })) {
    round.swap(dirty_);
    lock.unlock();
    for (const auto& file : round) file->sync();
    round.clear();
    lock.lock();
  }
}

}  // namespace ncscope::server
