#include "kernels/counted_decisions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "kernels/errors.h"

namespace ncscope {
namespace {

using testing::HasSubstr;

// Classes 1 and 4 of five, d = 1.
Statistics state(std::vector<uint64_t> counts) {
  Statistics s = Statistics::empty(5, 1, DType::kFloat64);
  s.classes = {1, 4};
  s.counts = std::move(counts);
  return s;
}

std::string refusal(const CountedDecisions& decisions, std::vector<uint64_t> counts) {
  try {
    decisions.check(state(std::move(counts)));
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

TEST(CountedDecisions, NoCountIsBeyondTheSamplesOfItsClass) {
  EXPECT_EQ(refusal({0, {4, 0}, {4, 0}, {4, 0}}, {4, 3}), "");
  EXPECT_EQ(refusal({0, {4, 4}, {4, 0}, {4, 0}}, {4, 3}),
            "decisions: expected agreements of class 4 of at most its 3 samples, got 4");
  EXPECT_THAT(refusal({0, {4, 0}, {5, 0}, {4, 0}}, {4, 3}),
              HasSubstr("nearest_correct of class 1"));
  const uint64_t most = ~uint64_t{0};
  EXPECT_THAT(
      refusal({0, {0, 0}, {0, 0}, {most, 0}}, {4, 3}),
      HasSubstr("classifier_correct of class 1 of at most its 4 samples, got 184467440737"));
  EXPECT_EQ(refusal({0, {most, 0}, {most, 0}, {most, 0}}, {most, 3}), "");
}

TEST(CountedDecisions, ThereIsOneForEachPresentClass) {
  EXPECT_EQ(refusal({0, {4, 3}, {4, 3, 0}, {4, 3}}, {4, 3}),
            "decisions: expected 2 counts of nearest_correct, got 3");
  EXPECT_THAT(refusal({0, {}, {4, 3}, {4, 3}}, {4, 3}), HasSubstr("2 counts of agreements, got 0"));
}

// All that three samples can have, each being one of the five kinds there are.
TEST(CountedDecisions, OnlyWhatSamplesCanHave) {
  constexpr std::array<std::array<uint64_t, 3>, 5> kKinds{
      {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 1}}};
  std::set<std::array<uint64_t, 3>> possible;
  for (const auto& a : kKinds) {
    for (const auto& b : kKinds) {
      for (const auto& c : kKinds) {
        possible.insert({a[0] + b[0] + c[0], a[1] + b[1] + c[1], a[2] + b[2] + c[2]});
      }
    }
  }
  for (uint64_t agreement = 0; agreement <= 3; ++agreement) {
    for (uint64_t nearest = 0; nearest <= 3; ++nearest) {
      for (uint64_t classifier = 0; classifier <= 3; ++classifier) {
        const bool taken =
            refusal({0, {agreement, 0}, {nearest, 0}, {classifier, 0}}, {3, 3}).empty();
        EXPECT_EQ(taken, possible.contains({agreement, nearest, classifier}))
            << agreement << " " << nearest << " " << classifier;
      }
    }
  }
}

}  // namespace
}  // namespace ncscope
