// A report against the oracle's, every field of it.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/report_values.h"
#include "tests/support/oracle_metrics.h"

namespace ncscope::test {

// Fails for each number, pair, column or list that one has and the other has not, or that is
// further than `relative` from the oracle's value. Where that is 0, an error of rounding numbers of
// size 1 is allowed.
void expect_matches(const ReportValues& report, const OracleMetrics& oracle, double relative);

// Fails for each number and column value of two reports further apart than `relative`.
void expect_same(const ReportValues& a, const ReportValues& b, double relative);

// Whether the reason given for a path holds `words`.
testing::AssertionResult undefined_because(const ReportValues& report, const std::string& path,
                                           const std::string& words);

}  // namespace ncscope::test
