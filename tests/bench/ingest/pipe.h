// How the driver talks to the programs that it measures: a line in, a line of JSON out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ncscope::bench {

// Processor time of this process so far, user and system, in seconds.
double cpu_seconds();

// A server: says its port, then answers each line with its processor time and peak memory, to the
// end of its input.
void serve_pipe(int port);

constexpr size_t kDim = 512;
constexpr size_t kClasses = 100;

// What one run sends.
struct Load {
  size_t streams = 0;
  size_t batch_bytes = 0;         // of features
  size_t batches_per_stream = 0;  // each stream is a connection and a thread
  size_t dim = kDim;

  size_t rows() const { return batch_bytes / (dim * sizeof(float)); }  // of a batch
  // Features and labels of a batch.
  size_t wire_bytes() const { return batch_bytes + rows() * sizeof(int64_t); }
};

// What a stream sends, made up: batches of float32 features and int64 labels that come round again,
// more of them than a cache holds.
class Source {
 public:
  struct Batch {
    std::vector<float> features;  // [rows, dim]
    std::vector<int64_t> labels;  // [rows]
  };
  Source(const Load& load, size_t stream);
  const Batch& batch(size_t i) const { return batches_[i % batches_.size()]; }

 private:
  std::vector<Batch> batches_;
};

// One stream: connected, and then started together with the others.
using Stream = std::function<void()>;
using Connect = std::function<Stream(size_t stream, const Load&, std::shared_ptr<const Source>)>;

// A client: runs each load that a line names, and answers seconds, processor time and bytes.
int client_pipe(const Connect& connect);

}  // namespace ncscope::bench
