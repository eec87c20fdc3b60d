#include "server/core/reported_session.h"

#include <utility>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

ReportedAttempt checked_attempt(const Services& services, ReportedAttempt attempt,
                                const v1::Open& open) {
  require_same(parse_series_spec(attempt.open, services.limits),
               parse_series_spec(open, services.limits));
  if (open.rank() >= attempt.ranks.size()) {
    throw DataLoss("report store: rank " + std::to_string(open.rank()) + " of an attempt is gone");
  }
  return attempt;
}

[[noreturn]] void refuse_reported(const SeriesKey& key, uint32_t attempt, const std::string& what) {
  throw AlreadyExists(what + ": attempt " + std::to_string(attempt) + " is reported already; open" +
                      " attempt " + std::to_string(attempt + 1) +
                      " to measure it anew: " + describe(key));
}

CloseResult stored_result(Services& services, const SeriesKey& key, uint32_t world_size) {
  auto stored = services.reports.find(key, true);
  if (!stored) throw Aborted("the run was deleted: " + describe(key));
  return {world_size, world_size, std::make_shared<const v1::Report>(std::move(stored->report))};
}

}  // namespace

ReportedSession::ReportedSession(Services& services, const SeriesKey& key, ReportedAttempt attempt,
                                 const v1::Open& open)
    : services_(services),
      key_(key),
      attempt_(checked_attempt(services, std::move(attempt), open)),
      batch_spec_(parse_batch_spec(open)),
      rank_(open.rank()),
      upload_(open.num_classes(), open.dim(), batch_spec_.type, services.memory) {
  if (attempt_.open.data_type() != v1::DATA_TYPE_UNSPECIFIED) {
    require_same(parse_batch_spec(attempt_.open), batch_spec_);
  }
}

void ReportedSession::refuse(const std::string& what) const {
  refuse_reported(key_, attempt_.attempt, what);
}

std::optional<uint64_t> ReportedSession::durable_sequence() const {
  const size_t batches = content().checksums.size();
  return batches == 0 ? std::nullopt : std::optional<uint64_t>(batches - 1);
}

uint64_t ReportedSession::add_batch(const IncomingBatch& batch) {
  const auto& checksums = content().checksums;
  const std::string name = "Batch " + std::to_string(batch.sequence);
  const uint32_t checksum = content_checksum(batch);
  if (batch.sequence >= checksums.size()) refuse(name + " is new");
  if (checksum != checksums[batch.sequence]) {
    refuse(name + " was received with other content");
  }
  ++services_.counters.duplicate_batches;
  return checksums.size() - 1;
}

void ReportedSession::add_classifier(const ClassifierPart& part) {
  const auto values = upload_.add(part);
  if (!values) return;
  const bool weight = part.array == ClassifierArray::kWeight;
  if (classifier_digest(values->values) !=
      (weight ? attempt_.weight_digest : attempt_.bias_digest)) {
    refuse(std::string("classifier ") + (weight ? "weight" : "bias") + " is another one");
  }
}

CloseResult ReportedSession::close(uint64_t batches, bool /*partial*/) {
  if (batches != content().checksums.size()) {
    throw FailedPrecondition("Close: expected " + std::to_string(content().checksums.size()) +
                             " batches as received, got " + std::to_string(batches));
  }
  return stored_result(services_, key_, static_cast<uint32_t>(attempt_.ranks.size()));
}

CloseResult repeat_state(Services& services, const SeriesKey& key, const ReportedAttempt& attempt,
                         const v1::Open& open, uint32_t digest) {
  const ReportedAttempt checked = checked_attempt(services, attempt, open);
  if (checked.ranks[open.rank()].state_digest != digest) {
    refuse_reported(key, checked.attempt, "the state is another one");
  }
  return stored_result(services, key, static_cast<uint32_t>(checked.ranks.size()));
}

}  // namespace ncscope::server
