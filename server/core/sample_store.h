// The samples of unfinished series, kept for the second look at them (NC4): in the log of their
// rank where there is one; else in memory up to one budget for the whole server, beyond it in a
// spool file per rank.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/admission.h"
#include "server/log/log_rewrite.h"

namespace ncscope::server {

// An admitted batch whose duplicate samples are dropped too.
class SampleBatch {
 public:
  explicit SampleBatch(std::shared_ptr<const AdmittedBatch> admitted);
  // Drops `rows` besides those that admission dropped.
  void drop(const std::vector<size_t>& rows);
  Batch view() const;
  const Dropped& dropped() const { return admitted_->dropped(); }
  uint64_t samples() const;  // rows that are not dropped
  size_t bytes() const { return admitted_->bytes() + labels_.size() * sizeof(int32_t); }

 private:
  std::shared_ptr<const AdmittedBatch> admitted_;
  std::vector<int32_t> labels_;  // [rows], or empty where they are those of `admitted_`
};

// The budget and the folder that logs share. Thread-safe; outlives its logs.
class SampleStore {
 public:
  SampleStore(std::filesystem::path spool_folder, size_t memory_limit);

  size_t memory_used() const { return memory_used_; }
  size_t spool_used() const { return spool_used_; }

 private:
  friend class SampleLog;
  bool take_memory(size_t bytes);
  // An empty file without a name, so that nothing is left of it whatever happens. Throws
  // ResourceExhausted with the cause.
  int open_spool_file();

  const std::filesystem::path folder_;
  const size_t memory_limit_;
  std::atomic<size_t> memory_used_{0};
  std::atomic<size_t> spool_used_{0};
  std::atomic<uint64_t> files_{0};
};

// Whether a batch stays in the sample of a level: one of every 2^level in a row that a rank sent,
// at a place among them that is drawn by lot, and always the same. What stays at a level stays at
// all lower ones.
bool in_sample(uint32_t rank, uint64_t sequence, uint32_t level);

// What a log says of a batch beside its samples.
struct BatchOrigin {
  uint64_t sequence = 0;
  uint32_t checksum = 0;  // of the content as it came
  uint64_t duplicates = 0;
  std::span<const uint64_t> sample_ids;  // [rows], or empty
};

// The samples of one rank, in order. Used by one thread at a time.
class SampleLog {
 public:
  // `file` is null where there are no logs.
  SampleLog(SampleStore& store, std::shared_ptr<LogFile> file, uint32_t rank)
      : store_(&store), log_(std::move(file)), rank_(rank) {}
  SampleLog(const SampleLog&) = delete;
  SampleLog& operator=(const SampleLog&) = delete;
  ~SampleLog() { clear(); }

  // Throws ResourceExhausted where the disk does not take it; the log is then as it was.
  void append(std::shared_ptr<const SampleBatch> batch, const BatchOrigin& origin);
  // Batch `sequence`, which the log holds already, its record of `bytes` being at `place`; `spare`
  // if that is a sample.
  void found(uint64_t sequence, uint64_t place, uint64_t bytes, const Batch& batch, bool spare);
  // Takes the last one away again.
  void pop();

  struct Entry {
    std::shared_ptr<const SampleBatch> batch;  // null: in a file
    bool logged = false;                       // as a record; else [features, labels, predictions]
    bool spare = false;                        // a sample: nothing else depends on it
    uint64_t sequence = 0;
    size_t bytes = 0;
    uint64_t offset = 0;  // in that file
    DType type = DType::kFloat32;
    size_t rows = 0;
    size_t dim = 0;
    bool has_predictions = false;
  };

  // Where the log is to take less room, only a sample of the batches stays, that of a level. It
  // rises and never falls: what is gone does not come back.
  uint32_t level() const { return level_; }
  void set_level(uint32_t level) { level_ = level; }
  // The least level from now on at which they take no more than `bytes`, or are but one.
  uint32_t level_within(uint64_t bytes) const;
  uint64_t bytes_at(uint32_t level) const;
  // The entries of the log that `rewrite` makes, to which the records are copied; what is damaged
  // is left out.
  std::vector<Entry> copy_sample(uint32_t level, LogRewrite& rewrite) const;
  // After rewrite.finish().
  void replace(std::vector<Entry>&& entries, uint32_t level) noexcept;

  // Visits those of a level, which is at least its own. Throws DataLoss where a file cannot be read
  // back; a sample that is damaged is passed over.
  void for_each(uint32_t level, const std::function<void(const Batch&)>& visit) const;
  void clear();

 private:
  void make_room();
  void spool(const SampleBatch& batch, uint64_t sequence);
  void visit_logged(const Entry& entry, std::vector<uint64_t>& buffer,
                    const std::function<void(const Batch&)>& visit) const;
  void visit_spooled(const Entry& entry, std::vector<std::byte>& buffer,
                     std::vector<int32_t>& labels,
                     const std::function<void(const Batch&)>& visit) const;

  SampleStore* store_;
  std::shared_ptr<LogFile> log_;
  uint32_t rank_;
  uint32_t level_ = 0;
  std::vector<Entry> entries_;
  int file_ = -1;
  uint64_t file_bytes_ = 0;
};

}  // namespace ncscope::server
