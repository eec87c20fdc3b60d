#include "server/core/state_upload.h"

#include <string>
#include <utility>

#include "proto/convert/crc32c.h"
#include "server/core/engine.h"
#include "server/core/errors.h"

namespace ncscope::server {
namespace {

void require_shape(const char* what, uint32_t expected, uint32_t got) {
  if (expected == got) return;
  throw InvalidArgument(std::string("PutStatistics: expected ") + what + " = " +
                        std::to_string(expected) + " as in Open, got " + std::to_string(got));
}

// The class means of an epoch are known when it ends.
void require_earlier(uint32_t centers_epoch, uint32_t epoch) {
  if (centers_epoch < epoch) return;
  throw InvalidArgument(
      "PutStatistics: expected decisions against the class means of an epoch before " +
      std::to_string(epoch) + ", got those of epoch " + std::to_string(centers_epoch));
}

// What the state takes when it is complete, and once more the triangle it comes as.
size_t state_bytes(const v1::StatisticsHeader& header) {
  const size_t d = header.dim();
  const size_t present = header.present_classes();
  size_t elements = present * (d + 3) + d * d + d * (d + 1) / 2;
  if (header.has_classifier()) elements += size_t{header.num_classes()} * (d + 1);
  if (header.has_decisions()) elements += 4 * present;
  return elements * sizeof(double);
}

}  // namespace

StateUpload::StateUpload(Engine& engine, const v1::Open& open)
    : engine_(engine),
      activity_(engine.active_),
      open_(open),
      key_(parse_key(open.key())),
      spec_(parse_series_spec(open, engine.services().limits)) {
  engine.require_accepting();
}

StateUpload::~StateUpload() = default;

void StateUpload::header(const v1::StatisticsHeader& header) {
  if (reader_) throw FailedPrecondition("PutStatistics: expected blocks, got a second header");
  require_shape("K", spec_.num_classes, header.num_classes());
  require_shape("d", spec_.dim, header.dim());
  if (header.has_decisions()) require_earlier(header.decisions().centers_epoch(), key_.epoch);
  StatisticsReader reader(header);
  memory_ = engine_.reserve(state_bytes(header), "state of " + describe(key_), key_);
  reader_.emplace(std::move(reader));
  const std::string bytes = header.SerializeAsString();
  digest_ = crc32c(bytes.data(), bytes.size());
}

void StateUpload::block(const v1::StatisticsBlock& block) {
  if (!reader_) throw FailedPrecondition("PutStatistics: expected a header, got a block");
  reader_->add(block);
  digest_ = crc32c(block.data().data(), block.data().size(), digest_);
}

CloseResult StateUpload::finish() {
  if (!reader_) throw FailedPrecondition("PutStatistics: expected a header, got the end");
  StatisticsBundle bundle = reader_->finish();
  reader_.reset();
  return engine_.close_with_state(key_, open_, spec_, std::move(bundle), digest_,
                                  std::move(memory_));
}

}  // namespace ncscope::server
