#include "server/log/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proto/convert/crc32c.h"
#include "server/core/errors.h"
#include "server/log/epoch_logs.h"
#include "server/log/failpoint.h"
#include "server/log/file_io.h"

namespace ncscope::server {
namespace {

constexpr const char* kMakeRoom = "; make room in the data folder and send it again";

void read_back(int file, uint64_t offset, void* out, size_t bytes) {
  const int error = read_at(file, offset, out, bytes);
  if (error == 0) return;
  throw DataLoss("log: cannot read " + std::to_string(bytes) +
                 " bytes back: " + read_error_text(error));
}

int sync_file(int file) {
  if (const int error = failpoint("log.sync")) return error;
  return ::fdatasync(file) == 0 ? 0 : errno;
}

}  // namespace

LogFile::LogFile(std::shared_ptr<SeriesLog> series, std::filesystem::path path)
    : series_(std::move(series)), path_(std::move(path)) {}

LogFile::~LogFile() { close(); }

EpochLogs& LogFile::logs() const { return series_->logs(); }

void LogFile::give_up(const std::string& why) {
  const std::lock_guard lock(mutex_);
  failure_ = why;
}

void LogFile::resume(uint64_t good_bytes) {
  ::unlink((path_.string() + kNewSuffix).c_str());  // what was half written
  const int file = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) throw Error(path_.string() + ": cannot open: " + std::strerror(errno));
  auto descriptor = std::make_shared<const OpenFile>(file);
  if (::ftruncate(file, static_cast<off_t>(good_bytes)) != 0) {
    throw Error(path_.string() + ": cannot cut off what is damaged: " + std::strerror(errno));
  }
  logs().add_bytes(static_cast<int64_t>(good_bytes));
  logs().add_file(this);
  const std::lock_guard lock(mutex_);
  file_ = std::move(descriptor);
  size_ = good_bytes;
  entered_ = false;
}

void LogFile::close() {
  logs().remove_file(this);
  {
    const std::lock_guard lock(mutex_);
    file_.reset();
    logs().add_bytes(-static_cast<int64_t>(size_));
    size_ = 0;
    failure_ = "the log was removed";
    changed_.notify_all();
  }
  tell();
}

uint64_t LogFile::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

bool LogFile::beyond_share() const {
  if (!logs().beyond_budget()) return false;
  return size() > logs().share();
}

void LogFile::require_good() const {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) return;
  throw FailedPrecondition("the rank's log was lost (" + failure_ + "); open a higher attempt");
}

void LogFile::create() {
  series_->make_folder();
  const int file = failpoint("log.create") != 0
                       ? -1
                       : ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    throw ResourceExhausted("log: cannot create a file: " + std::string(std::strerror(errno)) +
                            kMakeRoom);
  }
  logs().add_file(this);
  const std::lock_guard lock(mutex_);
  file_ = std::make_shared<const OpenFile>(file);
  entered_ = false;
}

void LogFile::write_record(const RecordHeader& header, const BodyParts& body,
                           uint64_t place) const {
  const int file = file_->number;
  int error = failpoint("log.write");
  if (error == 0) error = write_at(file, place, &header, sizeof(header));
  uint64_t next = place + sizeof(header);
  for (const auto& part : body) {
    if (error != 0) break;
    const size_t half = failpoints::kActive ? part.size() / 2 : 0;
    error = write_at(file, next, part.data(), half);
    if (error == 0) error = failpoint("log.write.half");
    if (error == 0) error = write_at(file, next + half, part.data() + half, part.size() - half);
    next += part.size();
  }
  if (error == 0) return;
  throw ResourceExhausted("log: cannot write " +
                          std::to_string(sizeof(header) + header.body_bytes) +
                          " bytes: " + std::strerror(error) + kMakeRoom);
}

uint64_t LogFile::append(RecordType type, const BodyParts& body) {
  require_good();
  const uint64_t place = size();
  const RecordHeader header = make_header(type, body);
  try {
    if (!file_) create();
    write_record(header, body, place);
  } catch (const ResourceExhausted&) {
    logs().write_failed();
    if (file_ && ::ftruncate(file_->number, static_cast<off_t>(place)) != 0) {
      const std::lock_guard lock(mutex_);
      failure_ = std::string("a write could not be undone: ") + std::strerror(errno);
    }
    throw;
  }
  logs().write_succeeded();
  const uint64_t bytes = sizeof(header) + header.body_bytes;
  logs().add_bytes(static_cast<int64_t>(bytes));
  const std::lock_guard lock(mutex_);
  size_ = place + bytes;
  return place;
}

void LogFile::truncate(uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (!file_ || size >= size_) return;
  logs().add_bytes(static_cast<int64_t>(size) - static_cast<int64_t>(size_));
  size_ = size;
  synced_ = std::min(synced_, size);
  sync_floor_ = std::min(sync_floor_, size);
  if (::ftruncate(file_->number, static_cast<off_t>(size)) != 0) {
    failure_ = std::string("a record could not be taken back: ") + std::strerror(errno);
  }
}

void LogFile::replace(std::shared_ptr<const OpenFile> file, uint64_t size, int error) {
  {
    const std::lock_guard lock(mutex_);
    logs().add_bytes(static_cast<int64_t>(size) - static_cast<int64_t>(size_));
    file_ = std::move(file);
    size_ = size;
    entered_ = true;
    if (error == 0) {
      synced_ = size;
      sync_floor_ = size;
      if (!marks_.empty()) durable_ = marks_.back().sequence;
      marks_.clear();
    } else {
      failure_ = std::string("the disk did not take it: ") + std::strerror(error);
    }
    changed_.notify_all();
  }
  if (error != 0) logs().write_failed();
}

std::span<const std::byte> LogFile::read(uint64_t record, std::vector<uint64_t>& buffer) const {
  const int file = file_->number;
  RecordHeader header;
  read_back(file, record, &header, sizeof(header));
  if (!check_header(header) || record + sizeof(header) + header.body_bytes > size()) {
    throw DataLoss("log: a record at byte " + std::to_string(record) + " is damaged");
  }
  buffer.resize((header.body_bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t));
  auto* const body = reinterpret_cast<std::byte*>(buffer.data());
  read_back(file, record + sizeof(header), body, header.body_bytes);
  if (crc32c(body, header.body_bytes) != header.body_crc) {
    throw DataLoss("log: the body of the record at byte " + std::to_string(record) + " is damaged");
  }
  return {body, header.body_bytes};
}

void LogFile::commit(uint64_t sequence) {
  {
    const std::lock_guard lock(mutex_);
    marks_.push_back({size_, sequence});
    // The kernel has it, and whoever commits asks by himself.
    if (!logs().syncs()) advance(size_);
  }
  if (logs().syncs()) logs().request_sync(shared_from_this());
}

void LogFile::wait_durable() {
  if (!logs().syncs()) return;
  std::unique_lock lock(mutex_);
  const uint64_t wanted = size_;
  if (synced_ < wanted) {
    lock.unlock();
    logs().request_sync(shared_from_this());
    lock.lock();
  }
  changed_.wait(lock, [&] { return synced_ >= wanted || !failure_.empty(); });
  if (synced_ < wanted) {
    throw ResourceExhausted("the rank's log is not safe on the disk: " + failure_ +
                            "; open a higher attempt");
  }
}

std::string LogFile::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<uint64_t> LogFile::durable_sequence() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

void LogFile::on_durable(uint64_t owner, std::function<void()> changed,
                         const std::function<bool()>& is_current) {
  const std::lock_guard lock(callback_mutex_);
  if (!is_current()) return changed();
  const bool taken_over = callback_owner_ != owner;
  callback_owner_ = owner;
  callback_.swap(changed);
  if (taken_over && changed) changed();
}

void LogFile::end_on_durable(uint64_t owner) {
  const std::lock_guard lock(callback_mutex_);
  if (callback_owner_ == owner) callback_ = nullptr;
}

void LogFile::sync() noexcept {
  uint64_t target = 0;
  bool entered = true;
  std::shared_ptr<const OpenFile> file;
  {
    const std::lock_guard lock(mutex_);
    if (!file_ || !failure_.empty()) return;
    file = file_;
    target = size_;
    sync_floor_ = size_;
    entered = entered_;
  }
  int error = entered ? 0 : series_->sync_folders();
  if (error == 0) error = sync_file(file->number);
  if (error == 0) error = failpoint("log.synced");
  if (error != 0) {
    // Pages that could not be written may count as clean from now on: no later sync would tell.
    {
      const std::lock_guard lock(mutex_);
      if (file_ != file) return;  // removed meanwhile
      failure_ = std::string("the disk did not take it: ") + std::strerror(error);
      changed_.notify_all();
    }
    logs().write_failed();
    return tell();
  }
  bool risen = false;
  {
    const std::lock_guard lock(mutex_);
    if (file_ != file) return;  // removed meanwhile, or replaced by one that is safe
    entered_ = true;
    // What was cut off meanwhile may be there anew.
    risen = advance(std::min(target, sync_floor_));
  }
  if (risen) tell();
}

bool LogFile::advance(uint64_t synced) {
  bool risen = false;
  synced_ = std::max(synced_, std::min(synced, size_));
  while (!marks_.empty() && marks_.front().end <= synced_) {
    durable_ = marks_.front().sequence;
    marks_.pop_front();
    risen = true;
  }
  changed_.notify_all();
  return risen;
}

void LogFile::tell() {
  const std::lock_guard lock(callback_mutex_);
  if (callback_) callback_();
}

}  // namespace ncscope::server
