#include "kernels/classifier.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "kernels/errors.h"

namespace ncscope {
namespace {

std::optional<size_t> first_not_finite(const std::vector<double>& values) {
  // Without a branch per value, so that compilers vectorise it.
  bool finite = true;
  for (const double x : values) finite &= std::isfinite(x);
  if (finite) return std::nullopt;
  return std::ranges::find_if(values, [](double x) { return !std::isfinite(x); }) - values.begin();
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
  if (const auto i = first_not_finite(weight)) {
    throw InvalidArgument("classifier: the weight of class " + std::to_string(*i / dim) +
                          ", column " + std::to_string(*i % dim) + " is not finite");
  }
  if (const auto c = first_not_finite(bias)) {
    throw InvalidArgument("classifier: the bias of class " + std::to_string(*c) + " is not finite");
  }
}

}  // namespace ncscope
