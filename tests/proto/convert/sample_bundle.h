// A small state with every part, for the tests of its forms.
#pragma once

#include "proto/convert/statistics.h"

namespace ncscope {

// K = 5 with classes 1 and 4 present, d = 3; values that no rounding leaves unchanged.
inline StatisticsBundle sample_bundle() {
  StatisticsBundle bundle;
  bundle.key.set_run("digits");
  bundle.key.set_epoch(7);
  Statistics& s = bundle.statistics;
  s.num_classes = 5;
  s.dim = 3;
  s.input_type = DType::kBFloat16;
  s.product_type = DType::kFloat64;
  s.samples = 7;
  s.skipped_nonfinite = 2;
  s.ignored = 3;
  s.sum_squares = 12.3;
  s.scatter_resolution = 4.5e-7;
  s.classes = {1, 4};
  s.counts = {4, 3};
  s.means = {0.1, -0.2, 0.3, 1.0 / 3, -1.0 / 7, 1e-9};
  s.within = {0.7, 1.1};
  s.scatter = {1.0, 0.1, -0.2, 0.1, 0.5, 0.05, -0.2, 0.05, 0.3};
  bundle.classifier = Classifier{5, 3, std::vector<double>(15, 0.125), {1, 2, 3, 4, 0.2}};
  return bundle;
}

// The same with decisions about its samples.
inline StatisticsBundle decided_bundle() {
  StatisticsBundle bundle = sample_bundle();
  bundle.decisions = CountedDecisions{6, {4, 1}, {3, 0}, {3, 2}};
  return bundle;
}

}  // namespace ncscope
