// Sessions that do what a test says, behind the real transport.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/core/series_spec.h"
#include "server/core/session.h"
#include "server/grpc/grpc_server.h"

namespace ncscope::testing {

// What a test wants to happen; each is called by a worker of the transport.
struct SessionScript {
  // Returns the highest sequence number received.
  std::function<uint64_t(const server::IncomingBatch&)> add_batch =
      [](const server::IncomingBatch& batch) { return batch.sequence; };
  uint64_t next_sequence = 0;
  std::function<server::CloseResult()> close = [] { return server::CloseResult{1, 1, nullptr}; };
  std::function<std::optional<uint64_t>()> durable_sequence = [] {
    return std::optional<uint64_t>();
  };
  std::function<void(std::function<void()>)> on_durable = [](std::function<void()>) {};
  std::function<void()> end = [] {};
};

class ScriptedSessions : public server::SessionSource {
 public:
  using MakeScript = std::function<SessionScript(const v1::Open&)>;
  explicit ScriptedSessions(MakeScript make) : make_(std::move(make)) {}

  std::unique_ptr<server::Session> open(const v1::Open& open) override {
    return std::make_unique<Scripted>(server::parse_batch_spec(open), make_(open));
  }

 private:
  class Scripted : public server::Session {
   public:
    Scripted(const BatchSpec& spec, SessionScript script)
        : spec_(spec), script_(std::move(script)) {}
    ~Scripted() override { script_.end(); }
    const BatchSpec& batch_spec() const override { return spec_; }
    uint64_t next_sequence() const override { return script_.next_sequence; }
    uint64_t add_batch(const server::IncomingBatch& batch) override {
      return script_.add_batch(batch);
    }
    void add_classifier(const server::ClassifierPart& /*part*/) override {}
    server::CloseResult close(uint64_t /*batches*/, bool /*partial*/) override {
      return script_.close();
    }
    std::optional<uint64_t> durable_sequence() const override { return script_.durable_sequence(); }
    void on_durable(std::function<void()> changed) override {
      script_.on_durable(std::move(changed));
    }

   private:
    const BatchSpec spec_;
    const SessionScript script_;
  };

  const MakeScript make_;
};

// A server of such sessions on a free port.
class ScriptedServer {
 public:
  explicit ScriptedServer(ScriptedSessions::MakeScript make, size_t receive_memory = 64 << 20)
      : sessions_(std::move(make)),
        server_(sessions_, {.address = "127.0.0.1:0", .receive_memory_bytes = receive_memory}) {}

  std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  const server::ReceiveCounters& counters() const { return server_.counters(); }
  server::GrpcServer& server() { return server_; }

 private:
  ScriptedSessions sessions_;
  server::GrpcServer server_;
};

}  // namespace ncscope::testing
