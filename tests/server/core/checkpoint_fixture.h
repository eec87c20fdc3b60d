// Series whose logs go beyond --log-budget.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/server/core/restart_fixture.h"

namespace ncscope::testing {

// What nc4 says is over fewer samples, with a budget: everything else is the same.
inline std::string without_nc4(v1::Report report) {
  report.clear_nc4();
  report.clear_class_groups();
  for (auto& c : *report.mutable_classes()) {
    c.clear_agreement();
    c.clear_ncc_accuracy();
    c.clear_classifier_accuracy();
  }
  report.mutable_dynamics()->clear_terminal_phase_epoch();
  auto& metrics = *report.mutable_dynamics()->mutable_metrics();
  for (int i = metrics.size() - 1; i >= 0; --i) {
    if (metrics[i].metric().starts_with("nc4.")) metrics.DeleteSubrange(i, 1);
  }
  auto& warnings = *report.mutable_warnings();
  for (int i = warnings.size() - 1; i >= 0; --i) {
    if (warnings[i].code() == "nc4_sampled") warnings.DeleteSubrange(i, 1);
  }
  return comparable(report);
}

class CheckpointTest : public RestartFixture {
 protected:
  static constexpr size_t kSamples = 20'000;
  static constexpr size_t kPerBatch = 250;
  static constexpr size_t kBudget = 160 << 10;

  // All samples: the report without a budget.
  v1::Report undisturbed(const Samples& samples) {
    const auto result = send_rest(open_for(samples, "undisturbed"), samples, kPerBatch);
    EXPECT_TRUE(result.report);
    stop();
    limits_.log_budget_bytes = kBudget;
    return *result.report;
  }
  uint64_t checkpoints() { return services().counters.checkpoints; }
  // Sends `count` batches after what the server has.
  void send(const v1::Open& open, const Samples& samples, size_t count) {
    const auto session = engine().open(open);
    const auto batches = batches_of(samples, kPerBatch);
    const size_t next = session->next_sequence();
    for (size_t i = next; i < next + count; ++i) {
      EXPECT_EQ(session->add_batch(incoming(batches[i], *session)), i);
    }
  }
  uint64_t file_bytes() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data() / "log")) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  }

  const Samples samples_ = make_samples(kSamples, 6, 4, DType::kFloat32, 1);
};

}  // namespace ncscope::testing
