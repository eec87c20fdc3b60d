// How a data set is measured, on this machine or by a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "client/files/samples.h"
#include "kernels/admission.h"
#include "kernels/report.h"
#include "kernels/statistics.h"
#include "ncscope/v1/types.pb.h"

namespace ncscope::measure {

struct MeasureOptions {
  std::optional<size_t> num_classes;  // K; absent: see SampleSet::check_labels()
  bool skip_nonfinite = false;
  int64_t ignore_index = -100;
  ReportOptions report;
  v1::SeriesKey key;  // what the report is called
  // State of the samples that were trained on; null where these are they, or it is not known. Its
  // class means are the centres of nc4, and those of epoch `train_epoch`.
  std::shared_ptr<const Statistics> train;
  uint32_t train_epoch = 0;
  uint32_t attempt = 0;
};

// Told how many samples have been read, of all passes together.
using ReadSamples = std::function<void(uint64_t)>;

// What admission checks the blocks of a set against.
BatchSpec batch_spec(const files::SampleSet& set, size_t num_classes,
                     const MeasureOptions& options);

// Labels as they go on the wire.
inline std::span<const std::byte> index_bytes(const std::vector<int64_t>& indices) {
  return std::as_bytes(std::span<const int64_t>(indices));
}

// Rows of a block of about `bytes` bytes.
size_t rows_of(const files::SampleSet& set, size_t bytes);

}  // namespace ncscope::measure
