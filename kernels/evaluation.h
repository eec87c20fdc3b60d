// What the report of samples that were not trained on is judged against.
#pragma once

#include <string>

#include "kernels/statistics.h"

namespace ncscope {

struct Evaluation {
  // State of the samples that were trained on, its scatter not read; null where there is none.
  const Statistics* train = nullptr;
  std::string no_train = "there are no train means";  // why it is null
  bool out_of_distribution = false;                   // labels mean nothing
};

}  // namespace ncscope
