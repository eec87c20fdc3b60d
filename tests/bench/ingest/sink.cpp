// The server's transport with sessions that apply nothing: it receives, copies to aligned memory,
// checks checksum, labels and features, and acknowledges. With a folder, it logs what it gets there
// as the server does with --durability fsync, and removes it when the stream ends.
#include <malloc.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "server/core/series_spec.h"
#include "server/grpc/grpc_server.h"
#include "server/log/epoch_logs.h"
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

class LoggedSink final : public server::Session {
 public:
  LoggedSink(const v1::Open& open, server::EpochLogs& logs)
      : sink_(open), series_(logs.new_series()), log_(series_->new_rank(0)) {}
  ~LoggedSink() override {
    log_->end_on_durable(kOwner);
    log_->close();
    series_->remove(false);
  }

  const BatchSpec& batch_spec() const override { return sink_.batch_spec(); }
  uint64_t next_sequence() const override { return sink_.next_sequence(); }

  uint64_t add_batch(const server::IncomingBatch& in) override {
    const uint64_t sequence = sink_.add_batch(in);
    const AdmittedBatch& batch = *in.admitted();
    const server::BatchBody body(
        {sequence, in.checksum, batch.dropped(), 0, batch.view(), in.sample_ids});
    log_->append(server::RecordType::kBatch, body.parts());
    log_->commit(sequence);
    return sequence;
  }

  void add_classifier(const server::ClassifierPart& part) override { sink_.add_classifier(part); }

  server::CloseResult close(uint64_t batches, bool partial) override {
    log_->wait_durable();
    return sink_.close(batches, partial);
  }

  bool tells_durable() const override { return true; }
  std::optional<uint64_t> durable_sequence() const override { return log_->durable_sequence(); }
  bool is_over() const override { return !log_->failure().empty(); }
  void require_going() const override { log_->require_good(); }
  void on_durable(std::function<void()> changed) override {
    log_->on_durable(kOwner, std::move(changed));
  }

 private:
  static constexpr uint64_t kOwner = 1;
  Sink sink_;
  const std::shared_ptr<server::SeriesLog> series_;
  const std::shared_ptr<server::LogFile> log_;
};

class Sinks final : public server::SessionSource {
 public:
  explicit Sinks(const char* folder) {
    if (folder != nullptr) logs_.emplace(folder, server::Durability::kFsync);
  }
  std::unique_ptr<server::Session> open(const v1::Open& open) override {
    if (logs_) return std::make_unique<LoggedSink>(open, *logs_);
    return std::make_unique<Sink>(open);
  }

 private:
  std::optional<server::EpochLogs> logs_;
};

// As server/main.cpp does.
void tune_allocator() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  mallopt(M_TOP_PAD, 64 << 20);
}

void run(const char* folder) {
  Sinks sinks(folder);
  server::GrpcServer server(sinks, {.address = "127.0.0.1:0"});
  serve_pipe(server.port());
  server.stop(std::chrono::milliseconds(0));
}

}  // namespace
}  // namespace ncscope::bench

int main(int argc, char** argv) {
  ncscope::bench::tune_allocator();
  ncscope::bench::run(argc > 1 ? argv[1] : nullptr);
}
