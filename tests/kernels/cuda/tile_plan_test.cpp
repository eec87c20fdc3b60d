#include "kernels/cuda/tile_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "tests/support/random.h"

namespace ncscope::cuda {
namespace {

struct Planned {
  std::unique_ptr<TilePlan> plan = std::make_unique<TilePlan>();
  std::vector<int32_t> labels;
  std::vector<uint8_t> settled;
};

Planned plan_of(std::vector<int32_t> labels, size_t num_classes, std::vector<uint8_t> settled) {
  Planned out;
  TilePlanner planner;
  // What an earlier plan left must not matter.
  planner.plan(std::vector<int32_t>(kTileRows, 0), 1, std::vector<uint8_t>(1), *out.plan);
  planner.plan(labels, num_classes, settled, *out.plan);
  out.labels = std::move(labels);
  out.settled = std::move(settled);
  return out;
}

std::vector<int32_t> random_labels(size_t rows, size_t num_classes, uint64_t seed) {
  test::Random random(seed);
  std::vector<int32_t> labels(rows);
  for (int32_t& label : labels) label = static_cast<int32_t>(random.below(num_classes));
  return labels;
}

// Everything that the kernels rely on, from the labels alone.
void expect_plan(const Planned& planned) {
  const TilePlan& plan = *planned.plan;
  const auto rows = static_cast<int32_t>(planned.labels.size());
  ASSERT_EQ(plan.rows, rows);
  std::vector<int32_t> order(planned.labels.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return planned.labels[static_cast<size_t>(a)] < planned.labels[static_cast<size_t>(b)];
  });
  int32_t runs = 0;
  int32_t classes = 0;
  int32_t splits = 0;
  int32_t settles = 0;
  for (int32_t place = 0; place < rows; ++place) {
    ASSERT_EQ(plan.row_at[place], order[static_cast<size_t>(place)]);
    ASSERT_EQ(plan.label_at[place],
              planned.labels[static_cast<size_t>(order[static_cast<size_t>(place)])]);
    if (place % kGroupRows == 0) {
      ASSERT_EQ(plan.first_run[place / kGroupRows], runs);
    }
    const bool starts = place == 0 || plan.label_at[place] != plan.label_at[place - 1];
    if (starts) {
      const TileClass& of = plan.classes_at[classes];
      ASSERT_EQ(of.label, plan.label_at[place]);
      ASSERT_EQ(of.first, place);
      ASSERT_EQ(of.count, std::count(planned.labels.begin(), planned.labels.end(), of.label));
      ASSERT_EQ(of.first_run, runs);
      const int32_t last = place + of.count - 1;
      if (place / kGroupRows != last / kGroupRows) {
        ASSERT_EQ(plan.split[splits++], classes);
      }
      if (planned.settled[static_cast<size_t>(of.label)] == 0) {
        ASSERT_EQ(plan.settle[settles++], classes);
      }
      ++classes;
    }
    if (starts || place % kGroupRows == 0) ++runs;
  }
  EXPECT_EQ(plan.classes, classes);
  EXPECT_EQ(plan.splits, splits);
  EXPECT_EQ(plan.settles, settles);
}

TEST(TilePlan, SortsByClassAndKeepsTheOrderOfTheRows) {
  const Planned planned = plan_of({3, 1, 3, 0, 1}, 4, {0, 1, 0, 0});
  const TilePlan& plan = *planned.plan;
  EXPECT_EQ(std::vector(plan.row_at, plan.row_at + 5), (std::vector{3, 1, 4, 0, 2}));
  EXPECT_EQ(plan.classes, 3);
  EXPECT_EQ(plan.settles, 2);  // 0 and 3
  EXPECT_EQ(plan.splits, 0);
  expect_plan(planned);
}

TEST(TilePlan, HoldsForAllShapes) {
  for (const size_t rows :
       {size_t{1}, size_t{31}, size_t{32}, size_t{33}, size_t{1000}, kTileRows}) {
    // Labels of one to four digits of the sort.
    for (const size_t num_classes : {1, 2, 40, 256, 257, 65'536, 65'537, 20'000'000}) {
      SCOPED_TRACE(testing::Message() << rows << " rows of " << num_classes << " classes");
      std::vector<uint8_t> settled(num_classes);
      for (size_t c = 0; c < num_classes; c += 3) settled[c] = 1;
      expect_plan(plan_of(random_labels(rows, num_classes, rows), num_classes, settled));
    }
  }
}

TEST(TilePlan, OneClassIsInEveryGroup) {
  const Planned planned = plan_of(std::vector<int32_t>(kTileRows, 7), 8, std::vector<uint8_t>(8));
  EXPECT_EQ(planned.plan->classes, 1);
  EXPECT_EQ(planned.plan->splits, 1);
  EXPECT_EQ(first_group(planned.plan->classes_at[0]), 0);
  EXPECT_EQ(last_group(planned.plan->classes_at[0]), static_cast<int>(kMostGroups) - 1);
  expect_plan(planned);
}

}  // namespace
}  // namespace ncscope::cuda
