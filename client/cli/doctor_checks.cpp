#include "client/cli/doctor_checks.h"

#include <unistd.h>

#include <cmath>
#include <limits>
#include <random>
#include <span>

#include "client/measure/local.h"
#include "client/output/fields.h"
#include "kernels/accumulator.h"
#include "kernels/admission.h"

namespace ncscope::cli {
namespace {

constexpr size_t kClasses = 8;
constexpr size_t kSamplesPerClass = 4;
constexpr size_t kSamples = kClasses * kSamplesPerClass;
constexpr double kTolerance = 1e-7;

struct KnownProblem {
  std::vector<double> features;  // [kSamples, kClasses]
  std::vector<int64_t> labels;   // [kSamples]
  Classifier classifier;
};

KnownProblem make_problem() {
  KnownProblem problem;
  Classifier& classifier = problem.classifier;
  classifier.num_classes = classifier.dim = kClasses;
  for (size_t c = 0; c < kClasses; ++c) {
    for (size_t j = 0; j < kClasses; ++j) {
      // Vertex c of the simplex: e_c - 1/K, exact in binary for K = 8.
      classifier.weight.push_back((c == j ? 1.0 : 0.0) - 1.0 / kClasses);
    }
  }
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t c = i % kClasses;
    const double* vertex = classifier.weight.data() + c * kClasses;
    problem.features.insert(problem.features.end(), vertex, vertex + kClasses);
    problem.labels.push_back(static_cast<int64_t>(c));
  }
  return problem;
}

template <class T>
std::span<const std::byte> as_bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

std::vector<KnownValue> known_values(const v1::Report& report) {
  const std::vector<std::pair<const char*, double>> ideals = {
      {"nc1.pinv", 0},     {"nc1.quotient", 0}, {"nc1.cdnv", 0}, {"nc2.means.etf_error", 0},
      {"nc3.distance", 0}, {"nc4.agreement", 1}};
  std::vector<KnownValue> values;
  for (const auto& [path, ideal] : ideals) {
    const auto got = output::number_at(report, path);
    values.push_back({path, got.value_or(std::numeric_limits<double>::quiet_NaN()), ideal});
  }
  return values;
}

}  // namespace

bool KnownValue::passed() const { return std::abs(got - ideal) < kTolerance; }

std::vector<KnownValue> known_values_local(Device& device) {
  const KnownProblem problem = make_problem();
  BatchSpec spec;
  spec.num_classes = spec.dim = kClasses;
  spec.type = DType::kFloat64;
  const AdmittedBatch batch =
      admit({kSamples, as_bytes_of(problem.features), as_bytes_of(problem.labels), {}}, spec);
  Accumulator accumulator(device, spec.num_classes, spec.dim, spec.type);
  accumulator.add(device, batch.view());
  const StatisticsBundle bundle{{}, accumulator.finish(device), problem.classifier};
  DecisionCounter counter(device, bundle.statistics, &problem.classifier);
  counter.add(device, batch.view());
  return known_values(
      measure::report_of_bundle(device, bundle, &counter.counts(), measure::MeasureOptions{}, 1));
}

std::vector<KnownValue> known_values_remote(client::Client& client) {
  const KnownProblem problem = make_problem();
  const std::string run =
      "ncscope-doctor-" + std::to_string(::getpid()) + "-" + std::to_string(std::random_device{}());
  v1::Open open;
  open.mutable_key()->set_run(run);
  open.set_world_size(1);
  open.set_num_classes(kClasses);
  open.set_dim(kClasses);
  open.set_data_type(v1::DATA_TYPE_FLOAT64);
  open.set_label_type(v1::LABEL_TYPE_INT64);
  client::Series series = client.open(open);
  series.send_classifier(problem.classifier);
  series.send({kSamples, as_bytes_of(problem.features), as_bytes_of(problem.labels), {}, {}});
  const v1::Closed closed = series.close();
  client.delete_run(run);
  return known_values(closed.report());
}

}  // namespace ncscope::cli
