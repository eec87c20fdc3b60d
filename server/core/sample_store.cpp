#include "server/core/sample_store.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "server/core/errors.h"
#include "server/log/file_io.h"

namespace ncscope::server {
namespace {

size_t feature_bytes(const Batch& batch) { return batch.rows * batch.dim * dtype_size(batch.type); }

// Steele, Lea, Flood: Fast splittable pseudorandom number generators.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

void write_spool(int file, uint64_t offset, const void* data, size_t bytes) {
  const int error = write_at(file, offset, data, bytes);
  if (error == 0) return;
  throw ResourceExhausted("spool: cannot write " + std::to_string(bytes) +
                          " bytes: " + std::strerror(error) +
                          "; make room in the data folder and send the batch again");
}

void read_spool(int file, uint64_t offset, void* data, size_t bytes) {
  const int error = read_at(file, offset, data, bytes);
  if (error == 0) return;
  throw DataLoss("spool: cannot read " + std::to_string(bytes) +
                 " bytes back: " + read_error_text(error));
}

}  // namespace

bool in_sample(uint32_t rank, uint64_t sequence, uint32_t level) {
  for (uint32_t k = 0; k < level; ++k) {
    // Of the two halves of a block of 2^(k+1), the lot of that block.
    const uint64_t block = k + 1 < 64 ? sequence >> (k + 1) : 0;
    const uint64_t lot = mix(mix((uint64_t{rank} << 8) + k) + block) & 1;
    if (((sequence >> k) & 1) != lot) return false;
  }
  return true;
}

SampleBatch::SampleBatch(std::shared_ptr<const AdmittedBatch> admitted)
    : admitted_(std::move(admitted)) {}

void SampleBatch::drop(const std::vector<size_t>& rows) {
  if (rows.empty()) return;
  const Batch batch = view();
  std::vector<int32_t> labels(batch.labels, batch.labels + batch.rows);
  for (const size_t row : rows) labels[row] = kDroppedRow;
  labels_ = std::move(labels);
}

Batch SampleBatch::view() const {
  Batch batch = admitted_->view();
  if (!labels_.empty()) batch.labels = labels_.data();
  return batch;
}

uint64_t SampleBatch::samples() const {
  const Batch batch = view();
  return batch.rows -
         static_cast<size_t>(std::count(batch.labels, batch.labels + batch.rows, kDroppedRow));
}

SampleStore::SampleStore(std::filesystem::path spool_folder, size_t memory_limit)
    : folder_(std::move(spool_folder)), memory_limit_(memory_limit) {}

bool SampleStore::take_memory(size_t bytes) {
  size_t used = memory_used_.load();
  do {
    if (bytes > memory_limit_ || used > memory_limit_ - bytes) return false;
  } while (!memory_used_.compare_exchange_weak(used, used + bytes));
  return true;
}

int SampleStore::open_spool_file() {
  const std::filesystem::path path = folder_ / (std::to_string(files_++) + ".spool");
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    throw ResourceExhausted("spool: cannot create " + path.string() + ": " + std::strerror(errno) +
                            "; make room in the data folder and send the batch again");
  }
  ::unlink(path.c_str());
  return file;
}

void SampleLog::make_room() {
  if (entries_.size() == entries_.capacity()) {
    entries_.reserve(std::max<size_t>(64, 2 * entries_.size()));
  }
}

void SampleLog::append(std::shared_ptr<const SampleBatch> batch, const BatchOrigin& origin) {
  make_room();
  if (log_) {
    const Batch view = batch->view();
    const BatchBody body({origin.sequence, origin.checksum, batch->dropped(), origin.duplicates,
                          view, origin.sample_ids});
    const uint64_t place = log_->append(RecordType::kBatch, body.parts());
    found(origin.sequence, place, log_->size() - place, view, false);
    return;
  }
  const size_t bytes = batch->bytes();
  if (store_->take_memory(bytes)) {
    Entry entry;
    entry.batch = std::move(batch);
    entry.sequence = origin.sequence;
    entry.bytes = bytes;
    entries_.push_back(std::move(entry));
  } else {
    spool(*batch, origin.sequence);
  }
}

void SampleLog::found(uint64_t sequence, uint64_t place, uint64_t bytes, const Batch& batch,
                      bool spare) {
  make_room();
  Entry entry;
  entry.logged = true;
  entry.spare = spare;
  entry.sequence = sequence;
  entry.bytes = bytes;
  entry.offset = place;
  entry.type = batch.type;
  entry.rows = batch.rows;
  entry.dim = batch.dim;
  entries_.push_back(std::move(entry));
}

void SampleLog::spool(const SampleBatch& batch, uint64_t sequence) {
  if (file_ < 0) file_ = store_->open_spool_file();
  const Batch view = batch.view();
  const size_t features = feature_bytes(view);
  const size_t labels = view.rows * sizeof(int32_t);
  Entry entry{.batch = nullptr,
              .logged = false,
              .spare = false,
              .sequence = sequence,
              .bytes = features + labels,
              .offset = file_bytes_,
              .type = view.type,
              .rows = view.rows,
              .dim = view.dim,
              .has_predictions = view.predictions != nullptr};
  write_spool(file_, entry.offset, view.features, features);
  write_spool(file_, entry.offset + features, view.labels, labels);
  if (entry.has_predictions) {
    write_spool(file_, entry.offset + entry.bytes, view.predictions, labels);
    entry.bytes += labels;
  }
  file_bytes_ += entry.bytes;
  store_->spool_used_ += entry.bytes;
  entries_.push_back(std::move(entry));
}

void SampleLog::pop() {
  const Entry& last = entries_.back();
  if (last.batch) {
    store_->memory_used_ -= last.bytes;
  } else if (last.logged) {
    log_->truncate(last.offset);
  } else {
    file_bytes_ -= last.bytes;  // the next one is written over it
    store_->spool_used_ -= last.bytes;
  }
  entries_.pop_back();
}

uint64_t SampleLog::bytes_at(uint32_t level) const {
  uint64_t bytes = 0;
  for (const Entry& entry : entries_) {
    if (in_sample(rank_, entry.sequence, level)) bytes += entry.bytes;
  }
  return bytes;
}

uint32_t SampleLog::level_within(uint64_t bytes) const {
  uint32_t level = level_;
  while (bytes_at(level) > bytes) {
    const auto count = std::ranges::count_if(
        entries_, [&](const Entry& entry) { return in_sample(rank_, entry.sequence, level); });
    if (count <= 1) break;
    ++level;
  }
  return level;
}

std::vector<SampleLog::Entry> SampleLog::copy_sample(uint32_t level, LogRewrite& rewrite) const {
  std::vector<Entry> kept;
  std::vector<uint64_t> record;
  for (const Entry& entry : entries_) {
    if (!in_sample(rank_, entry.sequence, level)) continue;
    try {
      const auto body = log_->read(entry.offset, record);
      kept.push_back(entry);
      kept.back().spare = true;
      kept.back().offset = rewrite.append(RecordType::kSample, BodyParts{body});
    } catch (const DataLoss& error) {
      spdlog::warn("a batch is left out of the sample for nc4: {}", error.what());
    }
  }
  return kept;
}

void SampleLog::replace(std::vector<Entry>&& entries, uint32_t level) noexcept {
  entries_ = std::move(entries);
  level_ = level;
}

void SampleLog::visit_spooled(const Entry& entry, std::vector<std::byte>& buffer,
                              std::vector<int32_t>& labels,
                              const std::function<void(const Batch&)>& visit) const {
  buffer.resize(entry.bytes);
  read_spool(file_, entry.offset, buffer.data(), entry.bytes);
  Batch batch;
  batch.features = buffer.data();
  batch.type = entry.type;
  batch.rows = entry.rows;
  batch.dim = entry.dim;
  // Features may have any alignment, labels may not.
  const size_t features = feature_bytes(batch);
  labels.resize((entry.bytes - features) / sizeof(int32_t));
  std::memcpy(labels.data(), buffer.data() + features, entry.bytes - features);
  batch.labels = labels.data();
  if (entry.has_predictions) batch.predictions = labels.data() + entry.rows;
  visit(batch);
}

void SampleLog::visit_logged(const Entry& entry, std::vector<uint64_t>& buffer,
                             const std::function<void(const Batch&)>& visit) const {
  std::optional<BatchRecord> record;
  try {
    record = parse_batch(log_->read(entry.offset, buffer), entry.type, entry.dim);
  } catch (const DataLoss& error) {
    if (!entry.spare) throw;
    spdlog::warn("a batch is left out of nc4: {}", error.what());
    return;
  }
  visit(record->batch);
}

void SampleLog::for_each(uint32_t level, const std::function<void(const Batch&)>& visit) const {
  std::vector<std::byte> spooled;
  std::vector<int32_t> labels;
  std::vector<uint64_t> record;
  for (const Entry& entry : entries_) {
    if (!in_sample(rank_, entry.sequence, level)) continue;
    if (entry.batch) {
      visit(entry.batch->view());
    } else if (entry.logged) {
      visit_logged(entry, record, visit);
    } else {
      visit_spooled(entry, spooled, labels, visit);
    }
  }
}

void SampleLog::clear() {
  while (!entries_.empty() && !entries_.back().logged) pop();
  entries_.clear();
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

}  // namespace ncscope::server
