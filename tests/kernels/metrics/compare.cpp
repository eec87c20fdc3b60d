#include "tests/kernels/metrics/compare.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace ncscope::test {
namespace {

using Column = std::vector<std::optional<double>>;

void expect_close(const std::string& what, double got, double want, double relative) {
  const bool zero = std::abs(want) < 1e-17;  // what rounding in long double leaves of 0
  // An index of 0 is rounding of S_W divided by S_B.
  const double of_zero = what == "nc1.vci" ? std::max(1e-2 * relative, 1e-14) : 1e-15;
  const double allowed = zero ? of_zero : relative * std::abs(want);
  EXPECT_LE(std::abs(got - want), allowed) << what << ": got " << got << ", expected " << want;
}

void expect_close_column(const std::string& what, const Column& got, const Column& want,
                         double relative) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t c = 0; c < want.size(); ++c) {
    const std::string where = what + "[" + std::to_string(c) + "]";
    ASSERT_EQ(got[c].has_value(), want[c].has_value()) << where;
    if (want[c]) expect_close(where, *got[c], *want[c], relative);
  }
}

template <class Map>
std::set<std::string> keys(const Map& map) {
  std::set<std::string> out;
  for (const auto& [key, value] : map) out.insert(key);
  return out;
}

std::set<std::string> number_paths(const ReportValues& report) {
  std::set<std::string> out = keys(report.numbers());
  out.merge(keys(report.integers()));
  return out;
}

}  // namespace

void expect_matches(const ReportValues& report, const OracleMetrics& oracle, double relative) {
  EXPECT_EQ(number_paths(report), keys(oracle.numbers));
  EXPECT_EQ(keys(report.columns()), keys(oracle.columns));
  for (const auto& [path, want] : oracle.numbers) {
    if (const auto got = report.number(path)) expect_close(path, *got, want, relative);
  }
  ASSERT_EQ(keys(report.pairs()), keys(oracle.pairs));
  for (const auto& [path, want] : oracle.pairs) EXPECT_EQ(report.pairs().at(path), want) << path;
  for (const auto& [field, want] : oracle.columns) {
    const auto got = report.columns().find(field);
    if (got != report.columns().end()) expect_close_column(field, got->second, want, relative);
  }
  EXPECT_EQ(report.lists().at("data.absent"), oracle.absent);
  ASSERT_EQ(keys(report.number_lists()), keys(oracle.number_lists));
  for (const auto& [path, want] : oracle.number_lists) {
    const std::vector<double>& got = report.number_lists().at(path);
    ASSERT_EQ(got.size(), want.size()) << path;
    // Eigenvalues: what is small is known beside the largest only.
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], relative * want[0]) << path << "[" << i << "]";
    }
  }
}

void expect_same(const ReportValues& a, const ReportValues& b, double relative) {
  EXPECT_EQ(number_paths(a), number_paths(b));
  for (const std::string& path : number_paths(a)) {
    if (b.number(path)) expect_close(path, *b.number(path), *a.number(path), relative);
  }
  EXPECT_EQ(a.pairs(), b.pairs());
  EXPECT_EQ(keys(a.columns()), keys(b.columns()));
  for (const auto& [field, want] : a.columns()) {
    const auto got = b.columns().find(field);
    if (got != b.columns().end()) expect_close_column(field, got->second, want, relative);
  }
}

testing::AssertionResult undefined_because(const ReportValues& report, const std::string& path,
                                           const std::string& words) {
  if (report.number(path) || report.pairs().contains(path)) {
    return testing::AssertionFailure() << path << " has a value";
  }
  const auto reason = report.reason(path);
  if (!reason) return testing::AssertionFailure() << path << " has neither value nor reason";
  if (reason->find(words) == std::string::npos) {
    return testing::AssertionFailure() << path << " is undefined because: " << *reason;
  }
  return testing::AssertionSuccess();
}

}  // namespace ncscope::test
