#include "client/measure/remote.h"

#include <chrono>
#include <optional>
#include <thread>

#include "client/recycler.h"
#include "proto/convert/types.h"

namespace ncscope::measure {
namespace {

// 1 to 4 MiB is what gRPC moves best.
constexpr size_t kBatchBytes = size_t{1} << 20;
// A server waits a bounded time for the train split; its --train-wait says how long.
constexpr std::chrono::hours kReportWait{1};
// How often it is asked meanwhile whether it still has the samples.
constexpr std::chrono::minutes kLookInterval{1};
// How long a server that ended a wait may be away, and how often it is asked.
constexpr std::chrono::seconds kReturnWait{30};
constexpr std::chrono::milliseconds kReturnInterval{200};

using Clock = std::chrono::steady_clock;

v1::Open open_request(const BatchSpec& spec, const MeasureOptions& options) {
  v1::Open open;
  *open.mutable_key() = options.key;
  open.set_attempt(options.attempt);
  open.set_world_size(1);
  open.set_num_classes(static_cast<uint32_t>(spec.num_classes));
  open.set_dim(static_cast<uint32_t>(spec.dim));
  open.set_data_type(to_proto(spec.type));
  open.set_label_type(to_proto(spec.label_width));
  open.set_nonfinite(spec.skip_nonfinite ? v1::NONFINITE_POLICY_SKIP : v1::NONFINITE_POLICY_REFUSE);
  open.set_ignore_index(spec.ignore_index);
  open.set_weighting(to_proto(options.report.weighting));
  open.set_profile(std::string(profile_name(options.report.profile)));
  *open.mutable_choices() = choices_of(options.report);
  return open;
}

// Sends what the server does not have yet, and closes.
v1::Closed stream_set(client::Series& series, const files::SampleSet& set, const BatchSpec& spec,
                      const ReadSamples& progress) {
  if (set.classifier()) series.send_classifier(*set.classifier());
  files::SampleReader reader(set, rows_of(set, kBatchBytes));
  client::Recycler<files::SampleBlock> blocks;
  uint64_t sequence = 0;
  uint64_t read = 0;
  for (auto block = blocks.take(); reader.next(*block); block = blocks.take(), ++sequence) {
    read += block->rows;
    if (sequence < series.next_sequence()) continue;
    if (!spec.skip_nonfinite) files::require_finite(*block, spec);
    client::BatchBytes batch;
    batch.rows = block->rows;
    batch.features = block->features;
    batch.labels = index_bytes(block->labels);
    batch.predictions = index_bytes(block->predictions);
    series.send(batch, block);
    if (progress) progress(read);
  }
  return series.close();
}

// A series of a server that may just be starting again.
client::Series open_again(client::Client& client, const v1::Open& open) {
  const auto deadline = Clock::now() + kReturnWait;
  while (true) {
    try {
      return client.open(open);
    } catch (const client::ServerError& error) {
      if (error.code() != "UNAVAILABLE" || Clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(kReturnInterval);
  }
}

// The reports of a server that answers Close without one.
class LaterReport {
 public:
  LaterReport(client::Client& client, const MeasureOptions& options)
      : client_(client), options_(options) {}

  // Nothing where the series must be opened again: the server may have lost it. Throws ServerError
  // where that led nowhere.
  std::optional<v1::Report> wait() {
    if (deadline_ == Clock::time_point()) deadline_ = Clock::now() + kReportWait;
    try {
      return client_.report(options_.key, kLookInterval, false, options_.attempt);
    } catch (const client::ServerError& error) {
      if (error.code() == "DEADLINE_EXCEEDED") {
        if (Clock::now() >= deadline_) throw;
      } else if ((error.code() != "ABORTED" && error.code() != "UNAVAILABLE") ||
                 ++losses_ > client::kMaxFutileRecoveries) {
        throw;
      }
    }
    return std::nullopt;
  }

 private:
  client::Client& client_;
  const MeasureOptions& options_;
  Clock::time_point deadline_;  // of all waits, since the first
  int losses_ = 0;
};

}  // namespace

v1::Report remote_report(client::Client& client, const files::SampleSet& set,
                         const MeasureOptions& options, const ReadSamples& progress) {
  const size_t classes = set.check_labels(options.num_classes, options.ignore_index);
  const BatchSpec spec = batch_spec(set, classes, options);
  const v1::Open open = open_request(spec, options);
  uint64_t furthest = 0;
  int futile = 0;             // rewinds since then
  uint64_t closed_after = 0;  // batches that a Close was answered for
  LaterReport later(client, options);
  for (bool first = true;; first = false) {
    client::Series series = first ? client.open(open) : open_again(client, open);
    // What an earlier call has left may be of other data; after a rewind it is our own.
    if (first) series.rewind();
    try {
      const bool is_there = closed_after > 0 && series.next_sequence() == closed_after;
      v1::Closed closed = is_there ? series.close() : stream_set(series, set, spec, progress);
      if (closed.has_report()) return std::move(*closed.mutable_report());
      closed_after = series.next_sequence();
      if (auto report = later.wait()) return *std::move(report);
    } catch (const client::Rewound& rewound) {
      if (rewound.acknowledged() > furthest) {
        furthest = rewound.acknowledged();
        futile = 0;
      } else if (++futile >= client::kMaxFutileRecoveries) {
        throw client::NoProgress(furthest, false, "it lost what it had received", client.address());
      }
    }
  }
}

}  // namespace ncscope::measure
