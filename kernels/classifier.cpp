#include "kernels/classifier.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "kernels/device_checks.h"
#include "kernels/errors.h"
#include "kernels/finite.h"

namespace ncscope {
namespace {

// Of a value that is not finite or whose powers overflow.
std::optional<size_t> first_unusable(const std::vector<double>& values) {
  // Without a branch per value, so that compilers vectorise it.
  bool usable = true;
  for (const double x : values) usable &= std::fabs(x) < kMagnitudeLimit;
  if (usable) return std::nullopt;
  const auto found =
      std::ranges::find_if(values, [](double x) { return !(std::fabs(x) < kMagnitudeLimit); });
  return found - values.begin();
}

std::string fault(double value) {
  if (!std::isfinite(value)) return " is not finite";
  return ": expected a value below 2^220 in magnitude, got " + check::number_text(value);
}

}  // namespace

void Classifier::check() const {
  if (num_classes == 0 || dim == 0) {
    throw InvalidArgument("classifier: expected at least one class and one dimension, got " +
                          std::to_string(num_classes) + " x " + std::to_string(dim));
  }
  if (weight.size() / dim != num_classes || weight.size() % dim != 0) {
    throw InvalidArgument("classifier: expected a weight of " + std::to_string(num_classes) +
                          " x " + std::to_string(dim) + " values, got " +
                          std::to_string(weight.size()));
  }
  if (!bias.empty() && bias.size() != num_classes) {
    throw InvalidArgument("classifier: expected a bias of " + std::to_string(num_classes) +
                          " values, got " + std::to_string(bias.size()));
  }
  if (const auto i = first_unusable(weight)) {
    throw InvalidArgument("classifier: the weight of class " + std::to_string(*i / dim) +
                          ", column " + std::to_string(*i % dim) + fault(weight[*i]));
  }
  if (const auto c = first_unusable(bias)) {
    throw InvalidArgument("classifier: the bias of class " + std::to_string(*c) + fault(bias[*c]));
  }
}

}  // namespace ncscope
