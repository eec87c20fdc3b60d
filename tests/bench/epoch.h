// Made-up samples to measure with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/batch.h"
#include "kernels/dtype.h"

namespace ncscope::bench {

inline constexpr size_t kBatchRows = 512;

// An epoch of N samples with random labels, whose features come round again every 16 batches.
struct Epoch {
  size_t dim = 0;
  size_t num_classes = 0;
  DType type = DType::kFloat32;
  std::vector<std::byte> pool;
  std::vector<int32_t> labels;

  Epoch(size_t rows, size_t dim, size_t num_classes, DType type);

  size_t rows() const { return labels.size(); }

  // Of at most kBatchRows rows.
  Batch batch(size_t first) const;
};

}  // namespace ncscope::bench
