#include "kernels/decisions.h"

#include <gtest/gtest.h>

#include "kernels/errors.h"
#include "tests/support/devices.h"
#include "tests/support/layouts.h"
#include "tests/support/oracle.h"
#include "tests/support/samples.h"

namespace ncscope::test {
namespace {

using Counts = std::vector<uint64_t>;
using Source = DecisionCounts::Source;

class Decisions : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Decisions);

// Two samples each about -2 and 2, labels 0 and 2 of three.
Samples line() { return make_samples(DType::kFloat32, 3, 1, {-3, -1, 1, 3}, {0, 0, 2, 2}); }

TEST_P(Decisions, NearestCentreAndClassifier) {
  // The classifier prefers class 0 below 2, class 1 nowhere.
  const Classifier classifier{3, 1, {-1, 0, 1}, {2, -9, -2}};
  DecisionCounter counter(device(), oracle_statistics(line()), &classifier);
  counter.add(device(), line().batch());
  EXPECT_EQ(counter.counts().source, Source::kClassifier);
  EXPECT_EQ(counter.counts().centers, 2u);
  EXPECT_EQ(counter.counts().samples, (Counts{2, 0, 2}));
  EXPECT_EQ(counter.counts().ncc_correct, (Counts{2, 0, 2}));
  EXPECT_EQ(counter.counts().classifier_correct, (Counts{2, 0, 1}));
  EXPECT_EQ(counter.counts().agreement, (Counts{2, 0, 1}));
}

TEST_P(Decisions, TiesGoToTheLowestClass) {
  // 0 is halfway between the centres, and where both classifier scores are 0.
  const Classifier classifier{3, 1, {-1, 0, 1}, {}};
  DecisionCounter counter(device(), oracle_statistics(line()), &classifier);
  const Samples tie = make_samples(DType::kFloat32, 3, 1, {0, 0}, {0, 2});
  counter.add(device(), tie.batch());
  EXPECT_EQ(counter.counts().ncc_correct, (Counts{1, 0, 0}));
  EXPECT_EQ(counter.counts().classifier_correct, (Counts{1, 0, 0}));
  EXPECT_EQ(counter.counts().agreement, (Counts{1, 0, 1}));
}

// Scores <a, h> - ||a||^2 / 2 of such centres differ by less than their rounding.
TEST_P(Decisions, CentresThatAreCloseAgainstTheirNormAreToldApart) {
  for (const DType type : {DType::kFloat32, DType::kFloat64}) {
    for (const double apart : {1e-8, 1e-9, 1e-12}) {
      std::vector<double> values;
      std::vector<int32_t> labels;
      for (int i = 0; i < 30; ++i) {
        const double deviation = 0.05 * apart * ((i % 5) - 2);
        const int32_t label = i % 3;
        values.insert(values.end(),
                      {label == 2 ? -1.0 : 1.0, label == 1 ? apart + deviation : deviation, 0});
        labels.push_back(label);
      }
      const Samples samples = make_samples(type, 3, 3, values, labels);
      DecisionCounter counter(device(), oracle_statistics(samples), nullptr);
      counter.add(device(), samples.batch());
      EXPECT_EQ(counter.counts().ncc_correct, (Counts{10, 10, 10})) << apart;
    }
  }
}

TEST_P(Decisions, EqualCentresAreATieToo) {
  const Samples equal = make_samples(DType::kFloat64, 2, 2, {1, 2, 1, 2}, {0, 1});
  DecisionCounter counter(device(), oracle_statistics(equal), nullptr);
  counter.add(device(), equal.batch());
  EXPECT_EQ(counter.counts().ncc_correct, (Counts{1, 0}));
}

TEST_P(Decisions, FarFromTheOrigin) {
  // In float32 the squared distances to these centres all round to the same.
  const float h = 8192;
  const Samples samples =
      make_samples(DType::kFloat32, 2, 2, {h, h, h + 0.25, h, h + 1, h, h + 1.25, h}, {0, 0, 1, 1});
  DecisionCounter counter(device(), oracle_statistics(samples), nullptr);
  counter.add(device(), samples.batch());
  EXPECT_EQ(counter.counts().ncc_correct, (Counts{2, 2}));
}

TEST_P(Decisions, PredictionsStandInForAClassifier) {
  Samples samples = line();
  samples.predictions = {0, 1, 2, 2};
  DecisionCounter counter(device(), oracle_statistics(samples), nullptr);
  counter.add(device(), samples.batch());
  EXPECT_EQ(counter.counts().source, Source::kPredictions);
  EXPECT_EQ(counter.counts().agreement, (Counts{1, 0, 2}));
  EXPECT_EQ(counter.counts().classifier_correct, (Counts{1, 0, 2}));
}

TEST_P(Decisions, AClassifierWinsOverPredictions) {
  Samples samples = line();
  samples.predictions = {1, 1, 1, 1};
  const Classifier classifier{3, 1, {-1, 0, 1}, {}};
  DecisionCounter counter(device(), oracle_statistics(samples), &classifier);
  counter.add(device(), samples.batch());
  EXPECT_EQ(counter.counts().source, Source::kClassifier);
  EXPECT_EQ(counter.counts().agreement, (Counts{2, 0, 2}));
}

TEST_P(Decisions, DroppedRowsAreNotCounted) {
  Samples samples = line();
  samples.labels[1] = kDroppedRow;
  DecisionCounter counter(device(), oracle_statistics(line()), nullptr);
  counter.add(device(), samples.batch());
  EXPECT_EQ(counter.counts().samples, (Counts{1, 0, 2}));
}

TEST_P(Decisions, ASampleOfAClassWithoutCentreIsNeverRight) {
  DecisionCounter counter(device(), oracle_statistics(line()), nullptr);
  const Samples other = make_samples(DType::kFloat32, 3, 1, {0.5}, {1});
  counter.add(device(), other.batch());
  EXPECT_EQ(counter.counts().samples, (Counts{0, 1, 0}));
  EXPECT_EQ(counter.counts().ncc_correct, (Counts{0, 0, 0}));
  EXPECT_EQ(counter.counts().source, Source::kNone);
}

TEST_P(Decisions, PartsAddUpToTheWhole) {
  const Samples samples = lay_out({"", 20, {50, 0, 70, 33}, 1.5}, DType::kFloat32);
  const Classifier classifier = classifier_along(samples, 5);
  const Statistics centers = oracle_statistics(samples);
  DecisionCounter whole(device(), centers, &classifier);
  whole.add(device(), samples.batch());
  DecisionCounts sum = DecisionCounter(device(), centers, &classifier).counts();
  for (size_t first = 0; first < samples.rows(); first += 37) {
    DecisionCounter part(device(), centers, &classifier);
    part.add(device(), samples.batch(first, std::min<size_t>(37, samples.rows() - first)));
    sum.add(part.counts());
  }
  EXPECT_EQ(sum.samples, whole.counts().samples);
  EXPECT_EQ(sum.agreement, whole.counts().agreement);
  EXPECT_EQ(sum.ncc_correct, whole.counts().ncc_correct);
  EXPECT_EQ(sum.classifier_correct, whole.counts().classifier_correct);
  EXPECT_EQ(sum.total(), samples.rows());
}

// With radii and without, every decision is the same; near class means they save the scores.
TEST_P(Decisions, AreTheSameWhereDistancesStandForScores) {
  struct Case {
    const char* name;
    double spread;
    double offset;
    double least_known;  // share of decisions without scores
    double most_known;
  };
  for (const DType type : {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    for (const Case& c : {Case{"collapsed", 0.02, 0, 1, 1}, Case{"some", 0.5, 0, 0.05, 0.95},
                          Case{"far", 0.05, 500, 0, 1}, Case{"none", 4, 0, 0, 0}}) {
      SCOPED_TRACE(testing::Message() << c.name << " " << dtype_name(type));
      Layout layout{c.name, 13, {150, 0, 90, 40, 210}, c.spread, c.offset};
      Samples samples = lay_out(layout, type);
      const Classifier classifier = classifier_along(samples, 5);
      samples.labels[200] = kDroppedRow;
      const Statistics centers = oracle_statistics(samples);
      DecisionCounter fast(device(), centers, &classifier);
      for (size_t first = 0; first < samples.rows(); first += 70) {
        fast.add(device(), samples.batch(first, std::min<size_t>(70, samples.rows() - first)));
      }
      const double budget = device().pair_budget();
      device().set_pair_budget(0);
      DecisionCounter plain(device(), centers, &classifier);
      plain.add(device(), samples.batch());
      device().set_pair_budget(budget);
      EXPECT_EQ(plain.known(), 0u);
      const double share =
          static_cast<double>(fast.known()) / (2.0 * static_cast<double>(centers.samples));
      EXPECT_GE(share, c.least_known);
      EXPECT_LE(share, c.most_known);
      EXPECT_EQ(fast.counts().samples, plain.counts().samples);
      EXPECT_EQ(fast.counts().agreement, plain.counts().agreement);
      EXPECT_EQ(fast.counts().ncc_correct, plain.counts().ncc_correct);
      EXPECT_EQ(fast.counts().classifier_correct, plain.counts().classifier_correct);
    }
  }
}

TEST_P(Decisions, Refusals) {
  const Statistics centers = oracle_statistics(line());
  const Classifier wide{3, 2, {1, 2, 3, 4, 5, 6}, {}};
  EXPECT_THROW(DecisionCounter(device(), centers, &wide), InvalidArgument);
  EXPECT_THROW(DecisionCounter(device(), Statistics::empty(3, 1, DType::kFloat32), nullptr),
               InvalidArgument);

  DecisionCounter counter(device(), centers, nullptr);
  EXPECT_THROW(counter.add(device(), make_samples(DType::kFloat32, 3, 2, {1, 2}, {0}).batch()),
               InvalidArgument);
  EXPECT_THROW(counter.add(device(), make_samples(DType::kFloat32, 9, 1, {1}, {8}).batch()),
               InvalidArgument);
  counter.add(device(), line().batch());
  Samples predicted = line();
  predicted.predictions = {0, 0, 0, 0};
  EXPECT_THROW(counter.add(device(), predicted.batch()), InvalidArgument);

  DecisionCounter other(device(), centers, nullptr);
  other.add(device(), predicted.batch());
  DecisionCounts sum = counter.counts();
  EXPECT_THROW(sum.add(other.counts()), InvalidArgument);
  const DecisionCounts small{Source::kNone, 2, {1, 1}, {0, 0}, {1, 1}, {0, 0}};
  EXPECT_THROW(sum.add(small), InvalidArgument);
  EXPECT_EQ(sum.samples, (Counts{2, 0, 2}));
}

}  // namespace
}  // namespace ncscope::test
