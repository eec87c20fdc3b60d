// Samples for the tests of the server, and what the numeric library says about them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/classifier.h"
#include "kernels/dtype.h"
#include "ncscope/v1/service.pb.h"

namespace ncscope::testing {

// Gaussian clusters; float32 or float64 features, int64 labels.
struct Samples {
  size_t num_classes = 0;  // K
  size_t dim = 0;          // d
  DType type = DType::kFloat32;
  std::vector<double> features;      // [N, d], each exactly a value of `type`
  std::vector<int64_t> labels;       // [N]
  std::vector<int64_t> predictions;  // [N], or empty
  std::optional<Classifier> classifier;

  size_t rows() const { return labels.size(); }
  // Rows [first, first + count), with the classifier.
  Samples slice(size_t first, size_t count) const;
};

// `seed` decides everything; the classifier is near the class means.
Samples make_samples(size_t rows, size_t dim, size_t num_classes, DType type, uint32_t seed);

// The Open of these samples: run "run", epoch 0.
v1::Open open_for(const Samples& samples, const std::string& run = "run");

// Rows [first, first + count) as a batch.
v1::Batch batch_of(const Samples& samples, uint64_t sequence, size_t first, size_t count);

// All samples, `rows` a batch, numbered from 0.
std::vector<v1::Batch> batches_of(const Samples& samples, size_t rows);

// The classifier in chunks of `elements`.
std::vector<v1::ClassifierChunk> chunks_of(const Classifier& classifier, size_t elements);

// CRC-32C as Batch.crc32c wants it.
uint32_t checksum_of(const v1::Batch& batch);

// The report that the numeric library makes of them on this machine, without a server; with `train`
// that of samples that were not trained on, of the split `split`.
v1::Report local_report(const Samples& samples, const Samples* train = nullptr,
                        const std::string& split = "test");

// A report without what differs from call to call: when it was made, attempt and run.
std::string comparable(v1::Report report);

// Compares every number of two reports; `tolerance` is relative. Returns what differs, or "".
std::string difference(const v1::Report& a, const v1::Report& b, double tolerance);

}  // namespace ncscope::testing
