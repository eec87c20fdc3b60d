#include "kernels/counted_decisions.h"

#include <algorithm>
#include <array>
#include <string>

#include "kernels/errors.h"

namespace ncscope {
namespace {

struct Counts {
  const char* name;
  const std::vector<uint64_t>& values;
};

[[noreturn]] void refuse(const std::string& expected, const std::string& got) {
  throw InvalidArgument("decisions: expected " + expected + ", got " + got);
}

// Where two of agreement, nearest = label and classifier = label hold of a sample, all three do. So
// at most `least` samples have all three, and any other has one alone.
bool fits(std::array<uint64_t, 3> decisions, uint64_t samples) {
  std::ranges::sort(decisions);
  const auto [least, middle, most] = decisions;
  return middle <= samples - (most - least);
}

}  // namespace

void CountedDecisions::check(const Statistics& statistics) const {
  const std::array<Counts, 3> all{{{"agreements", agreement},
                                   {"nearest_correct", ncc_correct},
                                   {"classifier_correct", classifier_correct}}};
  for (const auto& [name, values] : all) {
    if (values.size() == statistics.present()) continue;
    refuse(std::to_string(statistics.present()) + " counts of " + name,
           std::to_string(values.size()));
  }
  for (size_t p = 0; p < statistics.present(); ++p) {
    const uint64_t samples = statistics.counts[p];
    for (const auto& [name, values] : all) {
      if (values[p] <= samples) continue;
      refuse(std::string(name) + " of class " + std::to_string(statistics.classes[p]) +
                 " of at most its " + std::to_string(samples) + " samples",
             std::to_string(values[p]));
    }
    if (fits({agreement[p], ncc_correct[p], classifier_correct[p]}, samples)) continue;
    refuse("counts of class " + std::to_string(statistics.classes[p]) + " that " +
               std::to_string(samples) + " samples can have",
           std::to_string(agreement[p]) + " agreements, " + std::to_string(ncc_correct[p]) +
               " nearest_correct, " + std::to_string(classifier_correct[p]) +
               " classifier_correct");
  }
}

}  // namespace ncscope
