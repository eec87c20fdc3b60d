#include "tests/support/measure.h"

#include "kernels/accumulator.h"
#include "kernels/decisions.h"

namespace ncscope::test {

Statistics accumulate_rows(Device& device, const Samples& samples, size_t first, size_t count) {
  Accumulator accumulator(device, samples.num_classes, samples.dim, samples.type);
  accumulator.add(device, samples.batch(first, count));
  return accumulator.finish(device);
}

ReportValues report_on(Device& device, const Samples& samples, const Statistics& statistics,
                       const Classifier* classifier, Weighting weighting) {
  DecisionCounter counter(device, statistics, classifier);
  counter.add(device, samples.batch());
  ReportOptions options;
  options.weighting = weighting;
  return compute_report(device, statistics, classifier, &counter.counts(), options);
}

ReportValues measure(Device& device, const Samples& samples, const Classifier* classifier,
                     Weighting weighting) {
  const Statistics statistics = accumulate_rows(device, samples, 0, samples.rows());
  return report_on(device, samples, statistics, classifier, weighting);
}

ReportValues evaluate(Device& device, const Samples& samples, const Samples& train,
                      const Classifier* classifier, Weighting weighting, bool ood) {
  Statistics centers = accumulate_rows(device, train, 0, train.rows());
  centers.scatter.clear();  // nobody reads it
  DecisionCounter counter(device, centers, classifier);
  counter.add(device, samples.batch());
  ReportOptions options;
  options.weighting = weighting;
  Evaluation evaluation;
  evaluation.train = &centers;
  evaluation.out_of_distribution = ood;
  return compute_report(device, accumulate_rows(device, samples, 0, samples.rows()), classifier,
                        &counter.counts(), options, &evaluation);
}

}  // namespace ncscope::test
