// The log of one rank: records at the end of a file, and how far a crash cannot lose them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "server/log/file_io.h"
#include "server/log/record.h"

namespace ncscope::server {

class EpochLogs;
class SeriesLog;

// Of the name of a log that is being written anew.
inline constexpr const char* kNewSuffix = ".new";

// append(), truncate(), replace(), commit() and read() by one thread at a time; the rest is
// thread-safe.
class LogFile : public std::enable_shared_from_this<LogFile> {
 public:
  // The file is made by the first append().
  LogFile(std::shared_ptr<SeriesLog> series, std::filesystem::path path);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();

  // Goes on in the file of an earlier server, behind its first `good_bytes`; what follows is cut
  // off. Throws Error.
  void resume(uint64_t good_bytes);
  // Leaves that file as it is: nothing is appended.
  void give_up(const std::string& why);

  const std::filesystem::path& path() const { return path_; }
  SeriesLog& series() const { return *series_; }
  uint64_t size() const;
  // Whether the logs together are beyond their budget, and this one beyond its share of it.
  bool beyond_share() const;

  // Appends a record; returns its place. Throws ResourceExhausted where the disk does not take it:
  // the log is then as it was. Throws FailedPrecondition once a sync or an undo has failed: what
  // the disk holds is not known any more.
  uint64_t append(RecordType type, const BodyParts& body);
  // Takes away what is behind `size`.
  void truncate(uint64_t size);
  // Reads a body; it is as it was written. `buffer` is grown. Throws DataLoss.
  std::span<const std::byte> read(uint64_t record, std::vector<uint64_t>& buffer) const;

  // Goes on in another file, of `size` bytes, which has the log's name by now and stands for all
  // that the log held. It is safe, as far as --durability asks, unless `error` is an errno. Call
  // tell() when places are those of the new file.
  void replace(std::shared_ptr<const OpenFile> file, uint64_t size, int error);

  // What the log holds now includes batch `sequence`, which is received: durable_sequence() rises
  // to it when all of that is safe.
  void commit(uint64_t sequence);
  // Waits until what the log holds now is safe. Throws ResourceExhausted where it cannot be.
  void wait_durable();
  // The highest batch that is safe from what --durability promises.
  std::optional<uint64_t> durable_sequence() const;
  // Why nothing more becomes durable: a sync or an undo has failed, or the log was removed. Empty
  // where all is well.
  std::string failure() const;
  // Throws FailedPrecondition where there is one.
  void require_good() const;
  // `changed` is called whenever the sequence has risen later than within commit(), and when there
  // is a failure, by whatever thread; it may call durable_sequence() and failure(). It takes the
  // place of another owner's, which is called a last time. Where `is_current` says that a later
  // owner was first, that one stays, and `changed` is called this once.
  void on_durable(
      uint64_t owner, std::function<void()> changed,
      const std::function<bool()>& is_current = [] { return true; });
  // Ends that, unless another owner's took its place: no call is under way when this returns.
  void end_on_durable(uint64_t owner);

  // Calls what on_durable() set.
  void tell();

  // Of the syncer: makes safe what the log held when it began.
  void sync() noexcept;
  // Frees the file of a log that is to go.
  void close();

 private:
  void create();
  EpochLogs& logs() const;
  void write_record(const RecordHeader& header, const BodyParts& body, uint64_t place) const;
  bool advance(uint64_t synced);  // under mutex_; true if durable_ has risen

  const std::shared_ptr<SeriesLog> series_;
  const std::filesystem::path path_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const OpenFile> file_;  // null before the first record
  uint64_t size_ = 0;
  uint64_t synced_ = 0;
  uint64_t sync_floor_ = 0;  // the least size since the last sync began
  bool entered_ = true;      // in its folder, for good
  std::string failure_;
  struct Mark {
    uint64_t end;
    uint64_t sequence;
  };
  std::deque<Mark> marks_;  // received and not safe yet
  std::optional<uint64_t> durable_;

  std::mutex callback_mutex_;  // before mutex_
  uint64_t callback_owner_ = 0;
  std::function<void()> callback_;
};

}  // namespace ncscope::server
