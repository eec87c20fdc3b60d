#include "kernels/classifier.h"

#include <cmath>
#include <string>

#include "kernels/errors.h"

namespace ncscope {

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
  for (size_t i = 0; i < weight.size(); ++i) {
    if (!std::isfinite(weight[i])) {
      throw InvalidArgument("classifier: the weight of class " + std::to_string(i / dim) +
                            ", column " + std::to_string(i % dim) + " is not finite");
    }
  }
  for (size_t c = 0; c < bias.size(); ++c) {
    if (!std::isfinite(bias[c])) {
      throw InvalidArgument("classifier: the bias of class " + std::to_string(c) +
                            " is not finite");
    }
  }
}

}  // namespace ncscope
