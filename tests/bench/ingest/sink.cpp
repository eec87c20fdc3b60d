// The server's transport with sessions that apply nothing: it receives, copies to aligned memory,
// checks checksum, labels and features, and acknowledges.
#include <malloc.h>

#include <cstdio>

#include "server/core/series_spec.h"
#include "server/grpc/grpc_server.h"
#include "tests/bench/ingest/pipe.h"

namespace ncscope::bench {
namespace {

class Sink final : public server::Session {
 public:
  explicit Sink(const v1::Open& open) : spec_(server::parse_batch_spec(open)) {}

  const BatchSpec& batch_spec() const override { return spec_; }
  uint64_t next_sequence() const override { return next_; }

  uint64_t add_batch(const server::IncomingBatch& batch) override {
    server::content_checksum(batch);
    batch.admitted();
    if (batch.sequence != next_) throw Error("a gap");
    return next_++;
  }

  void add_classifier(const server::ClassifierPart&) override {}

  server::CloseResult close(uint64_t batches, bool) override {
    if (batches != next_) throw Error("batches are missing");
    return {1, 1, nullptr};
  }

 private:
  const BatchSpec spec_;
  uint64_t next_ = 0;
};

class Sinks final : public server::SessionSource {
 public:
  std::unique_ptr<server::Session> open(const v1::Open& open) override {
    return std::make_unique<Sink>(open);
  }
};

// As server/main.cpp does.
void tune_allocator() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  mallopt(M_TOP_PAD, 64 << 20);
}

void run() {
  Sinks sinks;
  server::GrpcServer server(sinks, {.address = "127.0.0.1:0"});
  serve_pipe(server.port());
  server.stop(std::chrono::milliseconds(0));
}

}  // namespace
}  // namespace ncscope::bench

int main() {
  ncscope::bench::tune_allocator();
  ncscope::bench::run();
}
