#include "tests/bench/ingest/pipe.h"

#include <sys/resource.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "tests/support/random.h"

namespace ncscope::bench {
namespace {

constexpr size_t kSourceBytes = size_t{16} << 20;  // of each stream

rusage usage() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used;
}

// Sources are kept from run to run, as trainers keep their memory.
class Sources {
 public:
  std::shared_ptr<const Source> get(const Load& load, size_t stream) {
    if (load.batch_bytes != batch_bytes_ || load.dim != dim_) sources_.clear();
    batch_bytes_ = load.batch_bytes;
    dim_ = load.dim;
    auto& source = sources_[stream];
    if (!source) source = std::make_shared<Source>(load, stream);
    return source;
  }

 private:
  size_t batch_bytes_ = 0;
  size_t dim_ = 0;
  std::map<size_t, std::shared_ptr<const Source>> sources_;
};

void run(const Load& load, const Connect& connect, Sources& sources) {
  std::vector<Stream> streams;
  for (size_t i = 0; i < load.streams; ++i) {
    streams.push_back(connect(i, load, sources.get(load, i)));
  }
  const double cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::jthread> threads;
  for (const Stream& stream : streams) threads.emplace_back(stream);
  threads.clear();  // joins
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const double cpu = cpu_seconds() - cpu_before;
  streams.clear();  // what a client does when all is over is not timed
  const size_t bytes = load.streams * load.batches_per_stream * load.wire_bytes();
  std::printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"bytes\": %zu}\n", seconds.count(), cpu, bytes);
  std::fflush(stdout);
}

}  // namespace

double cpu_seconds() {
  const rusage used = usage();
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void serve_pipe(int port) {
  std::printf("{\"port\": %d}\n", port);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("{\"cpu\": %.6f, \"peak_kib\": %ld}\n", cpu_seconds(), usage().ru_maxrss);
    std::fflush(stdout);
  }
}

Source::Source(const Load& load, size_t stream) {
  test::Random random(stream);
  const size_t count = std::max<size_t>(2, kSourceBytes / load.batch_bytes);
  std::vector<float> noise(size_t{1} << 16);
  for (float& x : noise) x = static_cast<float>(random.normal());
  batches_.resize(count);
  for (Batch& batch : batches_) {
    batch.features.resize(load.rows() * load.dim);
    for (float& x : batch.features) x = noise[random.bits() % noise.size()];
    batch.labels.resize(load.rows());
    for (int64_t& label : batch.labels) label = static_cast<int64_t>(random.below(kClasses));
  }
}

int client_pipe(const Connect& connect) {
  std::puts("{}");
  std::fflush(stdout);
  Sources sources;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    Load load;
    if (!(in >> load.streams >> load.batch_bytes >> load.batches_per_stream)) {
      std::fprintf(stderr, "expected STREAMS BATCH_BYTES BATCHES_PER_STREAM [DIM], got %s\n",
                   line.c_str());
      return 2;
    }
    if (size_t dim = 0; in >> dim) load.dim = dim;
    run(load, connect, sources);
  }
  return 0;
}

}  // namespace ncscope::bench
