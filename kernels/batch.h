// A batch of samples after admission: what accumulators and decision counters read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace ncscope {

// The label of a row that was dropped at admission (ignore_index, or not finite).
inline constexpr int32_t kDroppedRow = -1;

// Samples in host memory; owns nothing.
struct Batch {
  const void* features = nullptr;  // [rows, dim] row-major of `type`, any alignment
  DType type = DType::kFloat32;
  size_t rows = 0;
  size_t dim = 0;
  const int32_t* labels = nullptr;       // [rows], in [0, K) or kDroppedRow
  const int32_t* predictions = nullptr;  // [rows], in [0, K), or null
};

}  // namespace ncscope
