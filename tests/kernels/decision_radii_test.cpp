#include "kernels/decision_radii.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/devices.h"
#include "tests/support/oracle.h"
#include "tests/support/random.h"
#include "tests/support/samples.h"

namespace ncscope::test {
namespace {

// Scores and the points where they are looked at, in host memory.
struct Problem {
  size_t dim = 0;
  std::vector<double> rows;    // [m, d]
  std::vector<double> center;  // [d] or empty
  std::vector<double> offset;  // [m]
  bool points = false;
  std::vector<double> where;   // [P, d]
  std::vector<double> origin;  // [d] or empty
  std::vector<uint32_t> places;

  size_t classes() const { return offset.size(); }
  AffineScores scores() const {
    return {ConstMatrix(rows.data(), classes(), dim), center, offset, points};
  }
  // The row that a sample at point i plus `step` along each coordinate's direction is decided for.
  std::vector<int32_t> decide(size_t i, const std::vector<double>& step) const {
    std::vector<double> h(dim);
    for (size_t j = 0; j < dim; ++j) {
      h[j] = where[i * dim + j] + step[j] + (origin.empty() ? 0 : origin[j]);
    }
    return oracle_argmax(make_samples(DType::kFloat64, 1, dim, h, {0}), scores());
  }
  std::vector<long double> difference(size_t i, size_t c) const {
    std::vector<long double> out(dim);
    for (size_t j = 0; j < dim; ++j) {
      out[j] = static_cast<long double>(rows[places[i] * dim + j]) - rows[c * dim + j];
    }
    return out;
  }
  // The margin of point i over row c, over the distance of their rows.
  double reach(size_t i, size_t c) const {
    const std::vector<long double> a = difference(i, c);
    long double margin = static_cast<long double>(offset[places[i]]) - offset[c];
    long double square = 0;
    for (size_t j = 0; j < dim; ++j) {
      const long double at = static_cast<long double>(where[i * dim + j]) +
                             (origin.empty() ? 0 : origin[j]) - (center.empty() ? 0 : center[j]);
      margin += a[j] * at;
      square += a[j] * a[j];
    }
    return static_cast<double>(margin / std::sqrt(square));
  }
};

std::vector<double> minus_half_squares(const std::vector<double>& rows, size_t d) {
  std::vector<double> out(rows.size() / d);
  for (size_t i = 0; i < rows.size(); ++i) out[i / d] -= 0.5 * rows[i] * rows[i];
  return out;
}

Problem nearest_center(size_t classes, size_t d, uint64_t seed) {
  Random random(seed);
  Problem problem;
  problem.dim = d;
  problem.rows = random.normals(classes * d);
  problem.points = true;
  problem.offset = minus_half_squares(problem.rows, d);
  problem.where = problem.rows;
  problem.center = problem.origin = random.normals(d);
  for (size_t c = 0; c < classes; ++c) problem.places.push_back(static_cast<uint32_t>(c));
  return problem;
}

// Rows roughly along the points of every class but each third one.
Problem classifier(size_t classes, size_t d, uint64_t seed) {
  Random random(seed);
  Problem problem;
  problem.dim = d;
  problem.rows = random.normals(classes * d);
  problem.offset = random.normals(classes);
  for (double& b : problem.offset) b *= 0.1 * std::sqrt(static_cast<double>(d));
  problem.origin = random.normals(d);
  for (size_t c = 0; c < classes; ++c) {
    if (c % 3 == 1) continue;
    problem.places.push_back(static_cast<uint32_t>(c));
    for (size_t j = 0; j < d; ++j) {
      problem.where.push_back(problem.rows[c * d + j] + 0.2 * random.normal());
    }
  }
  return problem;
}

class DecisionRadii : public DeviceTest {
 protected:
  std::vector<double> radii(const Problem& problem) {
    const DeviceMatrix rows = upload(problem.rows, problem.classes(), problem.dim);
    const DeviceMatrix where = upload(problem.where, problem.places.size(), problem.dim);
    // The scores of nearest centres are the points themselves, in the same memory.
    return decision_radii(
        device(), {rows, problem.center, problem.offset, problem.points},
        {problem.points ? rows.view() : where.view(), problem.origin, problem.places});
  }

  // Radii are those of the definition, but for what rounding may do, and no sample inside is
  // decided otherwise.
  void expect_right(const Problem& problem, double slack) {
    const std::vector<double> got = radii(problem);
    ASSERT_EQ(got.size(), problem.places.size());
    for (size_t i = 0; i < got.size(); ++i) {
      double least = std::numeric_limits<double>::infinity();
      size_t next = 0;
      for (size_t c = 0; c < problem.classes(); ++c) {
        if (c == problem.places[i]) continue;
        const double reach = problem.reach(i, c);
        if (reach < least) {
          least = reach;
          next = c;
        }
      }
      EXPECT_LE(got[i], std::max(0.0, least)) << i;
      EXPECT_GE(got[i], least * (1 - slack) - slack) << i;
      if (got[i] == 0 || problem.classes() < 2) continue;
      expect_same_decision_at_the_edge(problem, i, next, got[i]);
    }
  }

  // The shortest way to another decision: against the difference of the two rows.
  void expect_same_decision_at_the_edge(const Problem& problem, size_t i, size_t next,
                                        double radius) {
    const std::vector<long double> a = problem.difference(i, next);
    long double square = 0;
    for (const long double x : a) square += x * x;
    std::vector<double> step(problem.dim);
    for (size_t j = 0; j < problem.dim; ++j) {
      step[j] = static_cast<double>(-radius * a[j] / std::sqrt(square));
    }
    EXPECT_EQ(problem.decide(i, step)[0], static_cast<int32_t>(problem.places[i])) << i;
  }
};
NCSCOPE_TEST_ON_DEVICES(DecisionRadii);

TEST_P(DecisionRadii, AreThoseOfTheDefinition) {
  for (const auto& [classes, d] : {std::pair{2, 1}, {3, 5}, {40, 17}, {300, 9}, {2100, 3}}) {
    SCOPED_TRACE(testing::Message() << classes << " " << d);
    // Capped at twice the largest norm of a point, which one dimension may need.
    if (d > 1) expect_right(classifier(classes, d, 1), 1e-9);
    expect_right(nearest_center(classes, d, 2), 1e-9);
  }
}

TEST_P(DecisionRadii, FarFromTheOriginTheyAreSmallerButRight) {
  for (const double far : {1e3, 1e6, 1e9}) {
    SCOPED_TRACE(far);
    Problem problem = classifier(20, 30, 3);
    for (double& x : problem.origin) x *= far;
    // Back to where the points were: the bias takes off what the origin adds.
    for (size_t c = 0; c < problem.classes(); ++c) {
      for (size_t j = 0; j < problem.dim; ++j) {
        problem.offset[c] -= problem.rows[c * problem.dim + j] * problem.origin[j];
      }
    }
    expect_right(problem, far * 1e-11);
  }
}

TEST_P(DecisionRadii, EqualRowsLeaveNone) {
  Problem problem = nearest_center(6, 11, 4);
  std::copy_n(problem.rows.begin(), 11, problem.rows.begin() + 2 * 11);
  problem.offset = minus_half_squares(problem.rows, 11);
  problem.where = problem.rows;
  const std::vector<double> got = radii(problem);
  EXPECT_EQ(got[0], 0);
  EXPECT_EQ(got[2], 0);
  EXPECT_GT(got[1], 0);
}

TEST_P(DecisionRadii, APointWhereAnotherRowWinsHasNone) {
  Problem problem = classifier(9, 7, 5);
  problem.offset[4] = 1e4;
  for (const double radius : radii(problem)) EXPECT_EQ(radius, 0);
}

TEST_P(DecisionRadii, NumbersTooLargeForABoundLeaveNone) {
  Problem problem = nearest_center(4, 3, 6);
  for (double& x : problem.rows) x *= 1e160;
  problem.offset.assign(4, -1e300);
  problem.where = problem.rows;
  for (const double radius : radii(problem)) EXPECT_EQ(radius, 0);
}

}  // namespace
}  // namespace ncscope::test
