#include "tests/support/samples.h"

#include <cmath>
#include <utility>

#include "tests/support/random.h"
#include "tests/support/wire.h"

namespace ncscope::test {

Batch Samples::batch(size_t first, size_t count) const {
  Batch out;
  out.features = bytes.data() + first * dim * dtype_size(type);
  out.type = type;
  out.rows = count;
  out.dim = dim;
  out.labels = labels.data() + first;
  out.predictions = predictions.empty() ? nullptr : predictions.data() + first;
  return out;
}

Samples make_samples(DType type, size_t num_classes, size_t dim, std::vector<double> values,
                     std::vector<int32_t> labels) {
  Samples out;
  out.num_classes = num_classes;
  out.dim = dim;
  out.type = type;
  out.bytes = encode(type, values);
  out.values = decode(type, out.bytes);
  out.labels = std::move(labels);
  return out;
}

Samples make_clusters(const Clusters& clusters) {
  Random random(clusters.seed);
  const size_t d = clusters.dim;
  std::vector<double> means = random.normals(clusters.num_classes * d);
  for (double& x : means) x = x / std::sqrt(static_cast<double>(d)) + clusters.offset;
  std::vector<double> values(clusters.rows * d);
  std::vector<int32_t> labels(clusters.rows);
  for (size_t i = 0; i < clusters.rows; ++i) {
    const size_t label = random.below(clusters.num_classes);
    labels[i] = static_cast<int32_t>(label);
    for (size_t j = 0; j < d; ++j) {
      values[i * d + j] = means[label * d + j] + clusters.within_std * random.normal();
    }
  }
  return make_samples(clusters.type, clusters.num_classes, d, std::move(values), std::move(labels));
}

}  // namespace ncscope::test
