// Made-up samples whose features are exactly what their bytes say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/batch.h"
#include "kernels/dtype.h"

namespace ncscope::test {

// n features in host memory.
struct Samples {
  size_t num_classes = 0;
  size_t dim = 0;
  DType type = DType::kFloat32;
  std::vector<std::byte> bytes;  // [n, dim] of `type`
  std::vector<double> values;    // the same, decoded
  std::vector<int32_t> labels;   // [n], or kDroppedRow
  std::vector<int32_t> predictions;

  size_t rows() const { return labels.size(); }
  // Rows [first, first + count).
  Batch batch(size_t first, size_t count) const;
  Batch batch() const { return batch(0, rows()); }
};

// Rounds `values` [labels.size(), dim] to a type.
Samples make_samples(DType type, size_t num_classes, size_t dim, std::vector<double> values,
                     std::vector<int32_t> labels);

// How clusters lie.
struct Clusters {
  size_t rows = 0;
  size_t dim = 0;
  size_t num_classes = 0;
  DType type = DType::kFloat32;
  double within_std = 1;  // of each coordinate about its class mean
  double offset = 0;      // added to every coordinate
  uint64_t seed = 1;
};

// Normal clusters about normal means of length about 1, labels in random order.
Samples make_clusters(const Clusters& clusters);

}  // namespace ncscope::test
