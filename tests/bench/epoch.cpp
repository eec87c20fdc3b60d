#include "tests/bench/epoch.h"

#include <algorithm>

#include "tests/support/random.h"
#include "tests/support/wire.h"

namespace ncscope::bench {
namespace {

constexpr size_t kPoolBatches = 16;

}  // namespace

Epoch::Epoch(size_t rows, size_t dim, size_t num_classes, DType type)
    : dim(dim), num_classes(num_classes), type(type), labels(rows) {
  test::Random random(1);
  for (int32_t& label : labels) label = static_cast<int32_t>(random.below(num_classes));
  // Uniform rather than normal numbers: they are made faster, and cost the same to add.
  std::vector<double> values(kBatchRows * dim);
  for (size_t b = 0; b < kPoolBatches; ++b) {
    for (double& x : values) x = 3 * random.uniform() - 1;
    const std::vector<std::byte> bytes = test::encode(type, values);
    pool.insert(pool.end(), bytes.begin(), bytes.end());
  }
}

Batch Epoch::batch(size_t first) const {
  const size_t bytes = kBatchRows * dim * dtype_size(type);
  Batch out;
  out.features = pool.data() + first / kBatchRows % kPoolBatches * bytes;
  out.type = type;
  out.rows = std::min(kBatchRows, rows() - first);
  out.dim = dim;
  out.labels = labels.data() + first;
  return out;
}

}  // namespace ncscope::bench
