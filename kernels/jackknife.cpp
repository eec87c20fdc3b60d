#include "kernels/jackknife.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/metrics/analysis.h"
#include "kernels/metrics/metrics.h"

namespace ncscope {
namespace {

constexpr std::array<const char*, 3> kEstimated{"nc1.pinv", "nc1.quotient", "nc1.cdnv"};

std::string error_path(const char* metric) { return std::string(metric) + "_standard_error"; }

void undefined_errors(ReportValues& values, const std::string& reason) {
  for (const char* metric : kEstimated) values.undefined(error_path(metric), reason);
}

// Calls `see` for every group with the state of all others; log2(groups) states are held at a time.
class OthersOfEach {
 public:
  using See = std::function<void(size_t group, const Statistics& others)>;

  OthersOfEach(Device& device, std::span<const Statistics* const> groups)
      : device_(device), groups_(groups) {}

  void visit(const See& see) {
    const Statistics& first = *groups_.front();
    visit(0, groups_.size(), Statistics::empty(first.num_classes, first.dim, first.input_type),
          see);
  }

 private:
  void visit(size_t first, size_t last, const Statistics& outside, const See& see) {
    if (last - first == 1) return see(first, outside);
    const size_t middle = first + (last - first) / 2;
    visit(first, middle, with(outside, middle, last), see);
    visit(middle, last, with(outside, first, middle), see);
  }

  Statistics with(const Statistics& outside, size_t first, size_t last) {
    Statistics sum = merge(device_, outside, *groups_[first]);
    for (size_t group = first + 1; group < last; ++group) {
      sum = merge(device_, sum, *groups_[group]);
    }
    return sum;
  }

  Device& device_;
  std::span<const Statistics* const> groups_;
};

// A class that a report without one of the groups would not have.
std::optional<uint32_t> class_of_one_group(std::span<const Statistics* const> groups) {
  std::map<uint32_t, size_t> holders;
  for (const Statistics* group : groups) {
    for (const uint32_t label : group->classes) ++holders[label];
  }
  for (const auto& [label, count] : holders) {
    if (count == 1) return label;
  }
  return std::nullopt;
}

// Groups that are unlike each other, such as ranks of some classes each, move tr S_W by what
// classes differ in, not by chance.
void warn_if_unlike(std::span<const Statistics* const> groups, ReportValues& values) {
  std::map<uint32_t, std::pair<uint64_t, uint64_t>> most_and_all;
  for (const Statistics* group : groups) {
    for (size_t row = 0; row < group->present(); ++row) {
      auto& [most, all] = most_and_all[group->classes[row]];
      most = std::max(most, group->counts[row]);
      all += group->counts[row];
    }
  }
  const uint64_t g = groups.size();
  for (const auto& [label, counts] : most_and_all) {
    const auto& [most, all] = counts;
    if (all < 8 * g || most * g < 4 * all) continue;
    values.warn("unlike_groups", "standard errors take parts of the samples for alike: one of " +
                                     std::to_string(g) + " holds " + std::to_string(most) + " of " +
                                     std::to_string(all) + " samples of class " +
                                     std::to_string(label) + ", so that they come out too large");
    return;
  }
}

// One metric without each of the groups.
struct LeftOut {
  std::vector<double> values;
  std::string why_none;  // empty where all have one
};

using AllLeftOut = std::array<LeftOut, kEstimated.size()>;

void collect(const ReportValues& report, size_t group, size_t groups, AllLeftOut& out) {
  for (size_t m = 0; m < kEstimated.size(); ++m) {
    if (const auto value = report.number(kEstimated[m])) {
      out[m].values.push_back(*value);
    } else if (out[m].why_none.empty()) {
      out[m].why_none = "without group " + std::to_string(group + 1) + " of " +
                        std::to_string(groups) + ": " +
                        report.reason(kEstimated[m]).value_or("no value");
    }
  }
}

AllLeftOut leave_out_each(Device& device, std::span<const Statistics* const> groups,
                          const ReportOptions& options) {
  AllLeftOut out;
  OthersOfEach(device, groups).visit([&](size_t group, const Statistics& others) {
    metrics::Analysis analysis(device, others, nullptr, nullptr, options);
    ReportValues report;
    metrics::nc1_traces(analysis, report);
    metrics::nc1_pinv(analysis, report);
    metrics::nc1_cdnv(analysis, report);
    collect(report, group, groups.size(), out);
  });
  return out;
}

// With h_j = N / n_j, pseudo-values h_j t - (h_j - 1) t_(j) and their centre
// g t - sum_j (1 - n_j / N) t_(j): the mean over j of (pseudo-value - centre)^2 / (h_j - 1). Of
// deviations t_(j) - t, which it depends on alone.
double standard_error(double whole, const std::vector<double>& left_out,
                      std::span<const Statistics* const> groups) {
  double samples = 0;
  for (const Statistics* group : groups) samples += static_cast<double>(group->samples);
  double centre = 0;
  for (size_t j = 0; j < groups.size(); ++j) {
    const double share = static_cast<double>(groups[j]->samples) / samples;
    centre -= (1 - share) * (left_out[j] - whole);
  }
  double sum = 0;
  for (size_t j = 0; j < groups.size(); ++j) {
    const double others = samples / static_cast<double>(groups[j]->samples) - 1;  // h_j - 1
    const double deviation = -others * (left_out[j] - whole) - centre;
    sum += deviation * deviation / others;
  }
  return std::sqrt(sum / static_cast<double>(groups.size()));
}

}  // namespace

Statistics merge_all(Device& device, std::span<const Statistics> groups) {
  const Statistics& first = groups.front();
  Statistics sum = Statistics::empty(first.num_classes, first.dim, first.input_type);
  for (const Statistics& group : groups) sum = merge(device, sum, group);
  return sum;
}

void add_standard_errors(Device& device, std::span<const Statistics> groups,
                         const ReportOptions& options, ReportValues& values) {
  std::vector<const Statistics*> filled;
  for (const Statistics& group : groups) {
    if (group.samples > 0) filled.push_back(&group);
  }
  if (filled.size() < kFewestGroups) {
    return undefined_errors(values, "expected samples in at least " +
                                        std::to_string(kFewestGroups) + " parts, got " +
                                        std::to_string(filled.size()));
  }
  values.set_integer("nc1.jackknife_groups", filled.size());
  if (const auto label = class_of_one_group(filled)) {
    return undefined_errors(values, "class " + std::to_string(*label) + " is in one of the " +
                                        std::to_string(filled.size()) +
                                        " groups only: without it the classes are others");
  }
  warn_if_unlike(filled, values);
  const AllLeftOut left_out = leave_out_each(device, filled, options);
  for (size_t m = 0; m < kEstimated.size(); ++m) {
    const std::string path = error_path(kEstimated[m]);
    const auto whole = values.number(kEstimated[m]);
    if (!whole) {
      values.undefined(path, std::string(kEstimated[m]) + " has no value");
    } else if (!left_out[m].why_none.empty()) {
      values.undefined(path, left_out[m].why_none);
    } else {
      values.set(path, standard_error(*whole, left_out[m].values, filled));
    }
  }
}

}  // namespace ncscope
