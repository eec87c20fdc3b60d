// An engine without a transport.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "kernels/backend.h"
#include "server/core/engine.h"
#include "server/grpc/messages.h"
#include "server/storage/data_folder.h"
#include "tests/server/samples.h"
#include "tests/support/arrays.h"
#include "tests/support/failing_device.h"

namespace ncscope::testing {

// Adds a batch as a transport does.
inline uint64_t add_batch(server::Session& session, const v1::Batch& batch) {
  return session.add_batch(server::incoming_batch(batch, session.batch_spec()));
}

class CoreTest : public ::testing::Test {
 protected:
  explicit CoreTest(const server::Limits& limits = {}, size_t devices = 2,
                    const DeviceOptions& device = {.backend = Backend::kCpu},
                    size_t card_memory_bytes = 0)
      : card_{.memory_bytes = card_memory_bytes},
        data_(folder_ / "data"),
        services_(
            limits,
            [this, device] {
              return std::make_unique<test::FailingDevice>(make_device(device), memory_, &card_);
            },
            devices, data_.spool(), data_.log(), data_.database(), data_.statistics()),
        engine_(services_, std::chrono::hours(1)) {
    spdlog::set_level(spdlog::level::off);
  }

  // Streams everything and closes.
  server::CloseResult stream_all(const v1::Open& open, const Samples& samples, size_t batch_rows) {
    const auto session = engine_.open(open);
    const auto batches = batches_of(samples, batch_rows);
    for (const v1::Batch& batch : batches) add_batch(*session, batch);
    if (samples.classifier) {
      for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
        session->add_classifier(server::incoming_part(chunk));
      }
    }
    return session->close(batches.size(), false);
  }

  test::AllocationLimit memory_;  // of the devices
  test::FakeCard card_;           // that they all are
  TemporaryFolder folder_;
  server::DataFolder data_;
  server::Services services_;
  server::Engine engine_;
};

}  // namespace ncscope::testing
