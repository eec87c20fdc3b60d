#include "client/measure/remote.h"

#include "proto/convert/types.h"

namespace ncscope::measure {
namespace {

// 1 to 4 MiB is what gRPC moves best.
constexpr size_t kBatchBytes = size_t{1} << 20;
// A server waits a bounded time for the train split; its --train-wait says how long.
constexpr std::chrono::hours kReportWait{1};

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
  files::SampleBlock block;
  uint64_t sequence = 0;
  uint64_t read = 0;
  for (; reader.next(block); ++sequence) {
    read += block.rows;
    if (sequence < series.next_sequence()) continue;
    if (!spec.skip_nonfinite) files::require_finite(block, spec);
    client::BatchBytes batch;
    batch.rows = block.rows;
    batch.features = block.features;
    batch.labels = index_bytes(block.labels);
    batch.predictions = index_bytes(block.predictions);
    series.send(batch);
    if (progress) progress(read);
  }
  return series.close();
}

}  // namespace

v1::Report remote_report(client::Client& client, const files::SampleSet& set,
                         const MeasureOptions& options, const ReadSamples& progress) {
  const size_t classes = set.check_labels(options.num_classes, options.ignore_index);
  const BatchSpec spec = batch_spec(set, classes, options);
  const v1::Open open = open_request(spec, options);
  uint64_t furthest = 0;
  int futile = 0;  // rewinds since then
  for (bool first = true;; first = false) {
    client::Series series = client.open(open);
    // What an earlier call has left may be of other data; after a rewind it is our own.
    if (first) series.rewind();
    try {
      v1::Closed closed = stream_set(series, set, spec, progress);
      if (closed.has_report()) return std::move(*closed.mutable_report());
      return client.report(options.key, kReportWait);
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
