#include "tests/support/layouts.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/support/random.h"

namespace ncscope::test {

namespace {

// Features of one class, appended. Means of low rank are multiples of 1/64 in their first
// coordinates and samples come in pairs about them, so that the means are exact and keep that rank.
void append_class(const Layout& layout, size_t count, Random& random,
                  std::vector<double>& features) {
  const size_t dim = layout.dim;
  const bool low_rank = layout.mean_rank < dim;
  std::vector<double> mean(dim, 0);
  for (size_t j = 0; j < std::min(dim, layout.mean_rank); ++j) {
    mean[j] = low_rank ? std::round(random.normal() * 64) / 64 : random.normal();
  }
  std::vector<double> deviation(dim, 0);
  for (size_t i = 0; i < count; ++i) {
    for (double& x : deviation) {
      if (!low_rank) {
        x = layout.spread * random.normal();
      } else if (i % 2 == 1) {
        x = -x;
      } else {
        x = i + 1 == count ? 0 : std::round(layout.spread * random.normal() * 1024) / 1024;
      }
    }
    for (size_t j = 0; j < dim; ++j) features.push_back(mean[j] + layout.offset + deviation[j]);
  }
}

}  // namespace

Samples lay_out(const Layout& layout, DType type) {
  Random random(layout.seed);
  const size_t dim = layout.dim;
  std::vector<double> features;
  std::vector<int32_t> labels;
  for (size_t c = 0; c < layout.counts.size(); ++c) {
    append_class(layout, layout.counts[c], random, features);
    labels.insert(labels.end(), layout.counts[c], static_cast<int32_t>(c));
  }
  for (size_t i = labels.size(); i-- > 1;) {
    const size_t k = random.below(i);  // another row
    std::swap(labels[i], labels[k]);
    std::swap_ranges(&features[i * dim], &features[i * dim] + dim, &features[k * dim]);
  }
  return make_samples(type, layout.counts.size(), dim, std::move(features), std::move(labels));
}

Classifier classifier_along(const Samples& samples, uint64_t seed) {
  Random random(seed);
  Classifier out;
  out.num_classes = samples.num_classes;
  out.dim = samples.dim;
  out.weight.assign(out.num_classes * out.dim, 0);
  std::vector<double> counts(out.num_classes, 0);
  for (const int32_t label : samples.labels) counts[label] += 1;
  for (size_t i = 0; i < samples.rows(); ++i) {
    const size_t c = samples.labels[i];
    for (size_t j = 0; j < out.dim; ++j) {
      out.weight[c * out.dim + j] += samples.values[i * out.dim + j] / counts[c];
    }
  }
  for (double& x : out.weight) x += 0.2 * random.normal();
  for (size_t c = 0; c < out.num_classes; ++c) out.bias.push_back(0.3 * random.normal());
  return out;
}

std::vector<double> simplex_frame(size_t classes, size_t dim) {
  const double k = static_cast<double>(classes);
  std::vector<double> rows(classes * dim, 0);
  for (size_t c = 0; c < classes; ++c) {
    for (size_t j = 0; j < classes; ++j) {
      rows[c * dim + j] = std::sqrt(k / (k - 1)) * ((c == j) - 1 / k);
    }
  }
  // Householder reflections keep all inner products.
  Random random(classes * 1000 + dim);
  for (int reflection = 0; reflection < 3; ++reflection) {
    std::vector<double> axis(dim);
    double square = 0;
    for (double& x : axis) {
      x = random.normal();
      square += x * x;
    }
    for (size_t c = 0; c < classes; ++c) {
      double along = 0;
      for (size_t j = 0; j < dim; ++j) along += axis[j] * rows[c * dim + j];
      for (size_t j = 0; j < dim; ++j) rows[c * dim + j] -= 2 * along / square * axis[j];
    }
  }
  return rows;
}

}  // namespace ncscope::test
