// papyan: Papyan, Han, Donoho, arXiv 2008.08186, as its authors' notebook computes it. mu_G is the
// mean of the class means; W is taken as it is, not centred, all K rows.
#include <cmath>

#include "kernels/metrics/etf.h"
#include "kernels/profiles/profiles.h"

namespace ncscope::profiles {
namespace {

constexpr std::string_view kCosW = "mean over pairs of |cos(w_c, w_c') + 1/(K-1)|";

// std of m numbers with m - 1 over the population's.
double sample_factor(size_t m) {
  return std::sqrt(static_cast<double>(m) / static_cast<double>(m - 1));
}

void set_cos_w(Numbers& numbers) {
  metrics::Analysis& analysis = numbers.analysis();
  if (!numbers.metric("nc2.classifier.equinorm_raw")) {
    return numbers.undefined("cos_W", kCosW, numbers.reason("nc2.classifier.equinorm_raw"));
  }
  const Classifier& classifier = *analysis.classifier();
  const ConstMatrix host(classifier.weight.data(), classifier.num_classes, classifier.dim);
  Device& device = analysis.device();
  const DeviceMatrix rows = device.upload(host);
  const std::vector<double> squares = device.row_dots(rows, rows);
  for (size_t c = 0; c < squares.size(); ++c) {
    if (squares[c] > 0) continue;
    return numbers.undefined(
        "cos_W", kCosW,
        "the classifier row of class " + std::to_string(c) + " is zero and has no direction");
  }
  const std::vector<double> origin(classifier.dim);
  const DeviceMatrix products = metrics::small_products(device, rows);
  PairInput input;
  input.rows = rows;
  input.squared_norms = squares;
  input.products = products;
  const auto [sums, sampling] =
      metrics::pair_metrics(device, {host, origin}, input, analysis.exact_pairs());
  numbers.set("cos_W", kCosW, sums.max_angle_sum / static_cast<double>(sums.cosine.count),
              sampling ? std::optional(sampling->max_angle_error) : std::nullopt);
}

}  // namespace

void papyan(Numbers& numbers) {
  const size_t present = numbers.analysis().present();
  const Classifier* classifier = numbers.analysis().classifier();
  const size_t rows = classifier == nullptr ? 0 : classifier->num_classes;
  numbers.take("NC1", "tr(S_W S_B^+) / P", "nc1.pinv");
  numbers.take("Sw_invSb", "tr(S_W S_B^+)", "nc1.pinv", static_cast<double>(present));
  // Where there is one row or none, the metric is undefined too.
  numbers.take("norm_M_CoV", "sample std / mean over c of ||M_c||", "nc2.means.equinorm",
               present < 2 ? 1 : sample_factor(present));
  numbers.take("norm_W_CoV", "sample std / mean over c of ||w_c||", "nc2.classifier.equinorm_raw",
               rows < 2 ? 1 : sample_factor(rows));
  numbers.take("cos_M", "mean over pairs of |cos(M_c, M_c') + 1/(P-1)|", "nc2.means.max_angle", 1,
               "nc2.means.max_angle_standard_error");
  set_cos_w(numbers);
  constexpr std::string_view kDistance = "|| W/||W||_F - M/||M||_F ||_F^2";
  if (const auto distance = numbers.metric("nc3.distance")) {
    numbers.set("W_M_dist", kDistance, *distance * *distance);
  } else {
    numbers.undefined("W_M_dist", kDistance, numbers.reason("nc3.distance"));
  }
  constexpr std::string_view kMismatch =
      "share of samples with argmax(Wh+b) != argmin_c ||h - mu_c||";
  if (const auto agreement = numbers.metric("nc4.agreement")) {
    numbers.set("NCC_mismatch", kMismatch, 1 - *agreement);
  } else {
    numbers.undefined("NCC_mismatch", kMismatch, numbers.reason("nc4.agreement"));
  }
  numbers.take("accuracy", "share of samples with argmax(Wh+b) = y", "nc4.classifier_accuracy");
}

}  // namespace ncscope::profiles
