// How much device memory things take: the formulas of kernels/cuda/README.md, and that the largest
// shapes we promise fit their cards by them.
#include "kernels/errors.h"
#include "kernels/report.h"
#include "tests/kernels/cuda/host_card.h"
#include "tests/support/random.h"

namespace ncscope::cuda {
namespace {

using test::make_clusters;
using test::Samples;

// Bytes of a report, apart from workspaces: see the README.
size_t report_bytes(size_t classes, size_t dim, bool with_classifier, bool deficient) {
  const bool by_classes = classes - 1 <= dim;
  const size_t matrix = by_classes ? classes * classes : dim * dim;
  const size_t rows = by_classes ? 3 : with_classifier ? 2 : 1;
  const size_t width = std::min<size_t>(256, by_classes ? classes : dim);
  const size_t panel = width * (by_classes ? width + dim : dim);
  return 8 * (rows * classes * dim + dim * dim + matrix + (deficient ? matrix : 0) + panel +
              12 * (classes + dim));
}

size_t decision_bytes(size_t classes, size_t dim) { return 2 * 8 * classes * dim; }

size_t pair_workspace_bytes(size_t classes) {
  const size_t side = std::min<size_t>(2048, classes);
  return 9 * side * side + 88 * classes + (size_t{1} << 21);
}

class MemoryTest : public HostCardTest {};

TEST_F(MemoryTest, AStateTakesWhatItSays) {
  const auto device = make();
  for (const Math math : {Math::kExact, Math::kFloat64}) {
    for (const DType type : {DType::kFloat32, DType::kBFloat16, DType::kFloat64}) {
      const auto of_math = make(math);
      const size_t before = Card::get().used_bytes();
      const Accumulator accumulator(*of_math, 300, 70, type);
      EXPECT_EQ(Card::get().used_bytes() - before, Accumulator::bytes_needed(300, 70, type, math));
    }
  }
}

TEST_F(MemoryTest, AReportTakesWhatTheFormulaSays) {
  struct Case {
    size_t classes, dim;
    bool with_classifier, deficient;
  };
  Card& card = Card::get();
  const auto device = make();
  for (const auto& [classes, dim, with_classifier, deficient] : {Case{60, 90, false, false},
                                                                 {60, 90, true, false},
                                                                 {60, 90, true, true},
                                                                 Case{200, 24, false, false},
                                                                 {200, 24, true, false},
                                                                 {200, 24, true, true},
                                                                 Case{90, 60, true, false},
                                                                 {3, 100, true, false}}) {
    SCOPED_TRACE(testing::Message() << classes << " classes, d = " << dim << ", "
                                    << (with_classifier ? "with" : "without") << " classifier, "
                                    << (deficient ? "rank-deficient" : "of full rank"));
    const Samples samples = make_clusters(
        {.rows = 12 * classes, .dim = dim, .num_classes = classes, .within_std = 0.3, .seed = 2});
    Statistics statistics = accumulate(*device, samples, 512);
    ASSERT_EQ(statistics.present(), classes);
    if (deficient) {  // the last half of the columns of the means is zero
      for (size_t i = 0; i < statistics.means.size(); ++i) {
        if (i % dim >= dim / 2) statistics.means[i] = 0;
      }
    }
    Classifier classifier;
    classifier.num_classes = classes;
    classifier.dim = dim;
    classifier.weight = test::Random(1).normals(classes * dim);
    const auto report = [&] {
      compute_report(*device, statistics, with_classifier ? &classifier : nullptr, nullptr, {});
    };
    report();  // what the device keeps is there afterwards
    const size_t before = card.used_bytes();
    card.reset_peak();
    report();
    const size_t peak = card.peak_bytes() - before;
    const size_t formula = report_bytes(classes, dim, with_classifier, deficient);
    EXPECT_LE(peak, formula);
    EXPECT_GE(peak, formula / 2);
  }
}

TEST_F(MemoryTest, WhatIsKeptMakesRoomForAMatrix) {
  const auto device = make();
  const std::vector<double> diagonal = {1, 0, 0, 0, 2, 0, 0, 0, 3};
  for (int round = 0; round < 2; ++round) {
    {
      const DeviceMatrix a = device->upload({diagonal.data(), 3, 3});
      EXPECT_EQ(device->eigh(a), (std::vector<double>{1, 2, 3}));
    }
    const size_t with_workspace = Card::get().used_bytes();
    simt::inject(simt::Fault::kMalloc, 1, cudaErrorMemoryAllocation);
    EXPECT_EQ(device->matrix(7, 7).rows(), 7);
    EXPECT_LT(Card::get().used_bytes(), with_workspace);
    simt::inject(simt::Fault::kMalloc, 1, cudaErrorMemoryAllocation);
    EXPECT_THROW(device->matrix(7, 7), OutOfMemory);
  }
  // And for another workspace.
  const Samples samples = make_clusters({.rows = 40, .dim = 3, .num_classes = 3, .seed = 2});
  const DeviceMatrix centers = device->upload({diagonal.data(), 3, 3});
  const std::vector<double> offset(3);
  device->argmax_affine(samples.batch(), {centers, {}, offset});
  const DeviceMatrix a = device->upload({diagonal.data(), 3, 3});
  simt::inject(simt::Fault::kMalloc, 1, cudaErrorMemoryAllocation);
  EXPECT_EQ(device->eigh(a), (std::vector<double>{1, 2, 3}));
}

TEST_F(MemoryTest, TheLargestShapesFitTheirCards) {
  const Tuning usual;
  const size_t device = (size_t{32} << 20) + usual.staging_slots * usual.staging_bytes;
  const auto needed = [&](size_t classes, size_t dim) {
    const size_t tile_workspace = dim * (kTileRows * 4 + 64 * 24 + 544);
    const size_t decision_workspace = usual.score_rows * (usual.score_classes + dim) * 4 +
                                      (usual.score_classes + usual.unclear_rows) * dim * 4;
    return Accumulator::bytes_needed(classes, dim, DType::kFloat32) +
           std::max(report_bytes(classes, dim, true, true), decision_bytes(classes, dim)) +
           2 * (device + tile_workspace + decision_workspace) + pair_workspace_bytes(classes);
  };
  EXPECT_LE(needed(250'000, 4096), size_t{80'000'000'000} / 10 * 9);
  EXPECT_LE(needed(50'000, 1024), size_t{8'000'000'000} / 10 * 9);
}

}  // namespace
}  // namespace ncscope::cuda
