// Samples in host memory for the sections that begin there: a pool whose rows come round again.
#pragma once

#include "kernels/batch.h"
#include "tests/bench/cuda/harness.h"

namespace ncscope::bench {

class HostSamples {
 public:
  // `rows` of them, in pinned or in pageable memory.
  HostSamples(Harness& harness, size_t rows, size_t dim, size_t classes, DType type, bool pinned);

  size_t rows() const { return labels_.size(); }
  size_t bytes() const { return rows() * row_bytes(); }
  size_t row_bytes() const { return dim_ * dtype_size(type_); }
  const std::vector<int32_t>& labels() const { return labels_; }

  // `count` rows from the `first` on, counted over all rounds of the pool, fewer at its end.
  Batch batch(size_t first, size_t count) const;
  // Value of a feature.
  double at(size_t row, size_t column) const;

 private:
  size_t dim_;
  DType type_;
  std::vector<int32_t> labels_;
  cuda::PinnedMemory pinned_;
  std::vector<std::byte> pageable_;
  const std::byte* features_ = nullptr;
};

}  // namespace ncscope::bench
