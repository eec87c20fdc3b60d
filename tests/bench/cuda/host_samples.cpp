#include "tests/bench/cuda/host_samples.h"

#include <algorithm>

#include "tests/bench/cuda/made_up.h"

namespace ncscope::bench {

HostSamples::HostSamples(Harness& harness, size_t rows, size_t dim, size_t classes, DType type,
                         bool pinned)
    : dim_(dim), type_(type), labels_(labels_of(rows, classes)) {
  std::byte* host = nullptr;
  if (pinned) {
    pinned_ = cuda::allocate_pinned(bytes());
    host = static_cast<std::byte*>(pinned_.get());
  } else {
    pageable_.resize(bytes());
    host = pageable_.data();
  }
  const DeviceBuffer made = harness.allocate(bytes());
  fill_samples(harness.stream(), type, made.data(), rows, dim, classes, 5);
  harness.to_host(host, made.data(), bytes());
  features_ = host;
}

Batch HostSamples::batch(size_t first, size_t count) const {
  first %= rows();
  Batch out;
  out.features = features_ + first * row_bytes();
  out.type = type_;
  out.rows = std::min(count, rows() - first);
  out.dim = dim_;
  out.labels = labels_.data() + first;
  return out;
}

double HostSamples::at(size_t row, size_t column) const {
  double value = 0;
  convert(type_, features_ + row * row_bytes() + column * dtype_size(type_), 1, &value);
  return value;
}

}  // namespace ncscope::bench
