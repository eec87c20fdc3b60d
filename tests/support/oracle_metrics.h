// Every metric again, as METRICS.md defines it: two passes over the samples in plain long double
// loops, every matrix formed, no BLAS. For data where all of it is defined.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/classifier.h"
#include "kernels/report.h"
#include "tests/support/samples.h"

namespace ncscope::test {

struct OracleMetrics {
  std::map<std::string, double> numbers;
  std::map<std::string, std::pair<uint32_t, uint32_t>> pairs;
  std::map<std::string, std::vector<std::optional<double>>> columns;
  std::map<std::string, std::vector<double>> number_lists;
  std::vector<uint32_t> absent;
};

// `classifier` may be null; then predictions of the samples, where there are any, decide. Where
// there is `train`, its class means are the centres, and the samples were not trained on; `ood`:
// they are out of distribution.
OracleMetrics oracle_metrics(const Samples& samples, const Classifier* classifier,
                             Weighting weighting, const Samples* train = nullptr, bool ood = false);

}  // namespace ncscope::test
