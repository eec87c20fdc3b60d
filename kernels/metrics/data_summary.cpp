// data.*: the samples behind a report.
#include <algorithm>

#include "kernels/metrics/metrics.h"

namespace ncscope::metrics {
namespace {

constexpr size_t kAbsentListed = 100;

// The first absent classes, ascending; `present` is sorted.
std::vector<uint32_t> first_absent(const std::vector<uint32_t>& present, size_t num_classes) {
  std::vector<uint32_t> absent;
  auto next = present.begin();
  for (uint32_t c = 0; c < num_classes && absent.size() < kAbsentListed; ++c) {
    if (next != present.end() && *next == c) {
      ++next;
    } else {
      absent.push_back(c);
    }
  }
  return absent;
}

}  // namespace

void data_summary(Analysis& analysis, ReportValues& out) {
  const Statistics& s = analysis.statistics();
  const auto [least, most] = std::ranges::minmax(s.counts);
  out.set_integer("data.samples", s.samples);
  out.set_integer("data.num_classes", s.num_classes);
  out.set_integer("data.present_classes", s.present());
  out.set_integer("data.dim", s.dim);
  out.set_integer("data.min_class_count", least);
  out.set_integer("data.max_class_count", most);
  out.set_integer("data.singletons", static_cast<uint64_t>(std::ranges::count(s.counts, 1u)));
  out.set_integer("data.absent_classes", s.num_classes - s.present());
  out.set_list("data.absent", first_absent(s.classes, s.num_classes));
  out.set_integer("data.skipped_nonfinite", s.skipped_nonfinite);
  out.set_integer("data.ignored", s.ignored);
}

}  // namespace ncscope::metrics
