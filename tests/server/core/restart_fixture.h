// An engine that ends without notice and starts again on the same folder.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <optional>

#include "kernels/backend.h"
#include "proto/convert/types.h"
#include "server/core/engine.h"
#include "server/core/errors.h"
#include "server/grpc/messages.h"
#include "server/storage/data_folder.h"
#include "tests/server/samples.h"
#include "tests/support/arrays.h"

namespace ncscope::testing {

// One server's worth of state; what it leaves when it goes is what a killed one leaves, but for
// what the kernel never got.
class Instance {
 public:
  Instance(const std::filesystem::path& folder, const server::Limits& limits,
           Math math = Math::kExact)
      : data_(folder),
        services_(
            limits, [math] { return make_device({.backend = Backend::kCpu, .math = math}); }, 2,
            data_.spool(), data_.log(), data_.database(), data_.statistics()),
        engine_(services_, std::chrono::hours(1)) {}
  server::Engine& engine() { return engine_; }
  server::Services& services() { return services_; }

 private:
  server::DataFolder data_;
  server::Services services_;
  server::Engine engine_;
};

class RestartFixture : public ::testing::Test {
 protected:
  RestartFixture() { spdlog::set_level(spdlog::level::off); }

  server::Engine& engine() {
    if (!instance_) start();
    return instance_->engine();
  }
  server::Services& services() {
    engine();
    return instance_->services();
  }
  void start() { instance_.emplace(data(), limits_, math_); }
  void stop() { instance_.reset(); }
  void restart() {
    stop();
    start();
  }
  std::filesystem::path data() const { return folder_ / "data"; }
  // Folders of attempts that are logged.
  std::vector<std::filesystem::path> logs() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(data() / "log")) {
      out.push_back(entry.path());
    }
    return out;
  }

  // As a transport gives it.
  static server::IncomingBatch incoming(const v1::Batch& batch, const server::Session& session) {
    return server::incoming_batch(batch, session.batch_spec());
  }
  static void send_classifier(server::Session& session, const Samples& samples) {
    for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
      session.add_classifier(server::incoming_part(chunk));
    }
  }
  // Sends what the server does not have yet, and closes.
  server::CloseResult send_rest(const v1::Open& open, const Samples& samples, size_t batch_rows) {
    const auto session = engine().open(open);
    const auto batches = batches_of(samples, batch_rows);
    for (size_t i = session->next_sequence(); i < batches.size(); ++i) {
      session->add_batch(incoming(batches[i], *session));
    }
    if (samples.classifier) send_classifier(*session, samples);
    return session->close(batches.size(), false);
  }
  std::optional<v1::Report> report(const v1::Open& open) {
    v1::GetReportRequest request;
    *request.mutable_key() = open.key();
    try {
      return engine().get_report(request, [] { return false; });
    } catch (const server::NotFound&) {
      return std::nullopt;
    }
  }

  server::Limits limits_;
  Math math_ = Math::kExact;
  TemporaryFolder folder_;
  std::optional<Instance> instance_;
};

}  // namespace ncscope::testing
