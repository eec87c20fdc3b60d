#include "server/core/sample_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "server/core/errors.h"
#include "server/log/file_io.h"

namespace ncscope::server {
namespace {

size_t feature_bytes(const Batch& batch) { return batch.rows * batch.dim * dtype_size(batch.type); }

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
    found(origin.sequence, place, log_->size() - place, view);
    return;
  }
  const size_t bytes = batch->bytes();
  if (store_->take_memory(bytes)) {
    Entry entry;
    entry.batch = std::move(batch);
    entry.bytes = bytes;
    entries_.push_back(std::move(entry));
  } else {
    spool(*batch);
  }
}

void SampleLog::found(uint64_t sequence, uint64_t place, uint64_t bytes, const Batch& batch) {
  make_room();
  Entry entry;
  entry.logged = true;
  entry.sequence = sequence;
  entry.bytes = bytes;
  entry.offset = place;
  entry.type = batch.type;
  entry.rows = batch.rows;
  entry.dim = batch.dim;
  entries_.push_back(std::move(entry));
}

void SampleLog::spool(const SampleBatch& batch) {
  if (file_ < 0) file_ = store_->open_spool_file();
  const Batch view = batch.view();
  const size_t features = feature_bytes(view);
  const size_t labels = view.rows * sizeof(int32_t);
  Entry entry{.batch = nullptr,
              .logged = false,
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

uint64_t SampleLog::bytes_of_every(uint64_t stride) const {
  uint64_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry.sequence % stride == 0 ? entry.bytes : 0;
  return bytes;
}

uint64_t SampleLog::stride_within(uint64_t bytes) const {
  const uint64_t last = entries_.empty() ? 0 : entries_.back().sequence;
  uint64_t stride = 1;
  while (stride <= last && bytes_of_every(stride) > bytes) stride *= 2;
  return stride;
}

std::vector<SampleLog::Entry> SampleLog::copy_every(uint64_t stride, LogRewrite& rewrite) const {
  std::vector<Entry> kept;
  for (const Entry& entry : entries_) {
    if (entry.sequence % stride != 0) continue;
    kept.push_back(entry);
    kept.back().offset = rewrite.copy(RecordType::kBatch, entry.offset);
  }
  return kept;
}

void SampleLog::replace(std::vector<Entry>&& entries) noexcept { entries_ = std::move(entries); }

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

void SampleLog::for_each(const std::function<void(const Batch&)>& visit) const {
  std::vector<std::byte> spooled;
  std::vector<int32_t> labels;
  std::vector<uint64_t> record;
  for (const Entry& entry : entries_) {
    if (entry.batch) {
      visit(entry.batch->view());
    } else if (entry.logged) {
      visit(parse_batch(log_->read(entry.offset, record), entry.type, entry.dim).batch);
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
