// A stream of a rank whose series is reported: a trainer that repeats what it sent, because it did
// not hear the answer, gets the same answer again.
#pragma once

#include <memory>
#include <string>

#include "server/core/series_key.h"
#include "server/core/series_spec.h"
#include "server/core/services.h"
#include "server/core/session.h"

namespace ncscope::server {

// Content that was received is acknowledged, other content refused with AlreadyExists.
class ReportedSession : public Session {
 public:
  // `attempt` is of the series that `open` names. Throws InvalidArgument where the specs differ.
  ReportedSession(Services& services, const SeriesKey& key, ReportedAttempt attempt,
                  const v1::Open& open);

  const BatchSpec& batch_spec() const override { return batch_spec_; }
  uint64_t next_sequence() const override { return content().checksums.size(); }
  bool tells_durable() const override { return true; }
  std::optional<uint64_t> durable_sequence() const override;
  uint64_t add_batch(const IncomingBatch& batch) override;
  void add_classifier(const ClassifierPart& part) override;
  CloseResult close(uint64_t batches, bool partial) override;

 private:
  const RankContent& content() const { return attempt_.ranks[rank_]; }
  [[noreturn]] void refuse(const std::string& what) const;

  Services& services_;
  const SeriesKey key_;
  const ReportedAttempt attempt_;
  const BatchSpec batch_spec_;
  const uint32_t rank_;
  ClassifierUpload upload_;
};

// What a repeated state of a rank gets. Throws as ReportedSession.
CloseResult repeat_state(Services& services, const SeriesKey& key, const ReportedAttempt& attempt,
                         const v1::Open& open, uint32_t digest);

}  // namespace ncscope::server
