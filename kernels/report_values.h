// The numbers of a report by path ("nc1.pinv"), as metrics write them. Paths are the field paths
// of the Report message, so a new metric needs no other plumbing than its field there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ncscope {

struct Undefined {
  std::string metric;  // path of a metric or of a group
  std::string reason;
};

struct Warning {
  std::string code;  // stable, such as "rank_deficient"
  std::string message;
};

// A number of another tool, by that tool's name for it.
struct ProfileNumber {
  std::string name;
  std::optional<double> value;
  std::optional<double> standard_error;  // of a mean over a sample of the pairs of classes
  std::string formula;                   // in METRICS.md's notation
  std::string source;                    // paper, and the file that computes it
};

class ReportValues {
 public:
  // Records a metric. A value that is not finite is recorded as undefined instead.
  void set(std::string_view path, double value);
  void set_integer(std::string_view path, uint64_t value);
  void set_pair(std::string_view path, uint32_t first, uint32_t second);
  void set_list(std::string_view path, std::vector<uint32_t> values);
  void set_numbers(std::string_view path, std::vector<double> values);
  void set_text(std::string_view path, std::string value);
  // A column of the per-class table, one entry per present class; `field` is that of ClassReport.
  // A value that is not finite has no entry.
  void set_column(std::string_view field, std::vector<double> values);
  // The same where some classes have no value.
  void set_column(std::string_view field, std::vector<std::optional<double>> values);
  // A value that is not finite is recorded as undefined instead, as "profile.NAME".
  void add_profile_number(ProfileNumber number);
  // Says why a metric, or a whole group, has no value.
  void undefined(std::string_view path, std::string reason);
  void warn(std::string_view code, std::string message);

  std::optional<double> number(std::string_view path) const;  // set() and set_integer()
  // Why a path has no value: what was said of it, or of the group that it is in.
  std::optional<std::string> reason(std::string_view path) const;

  const std::map<std::string, double, std::less<>>& numbers() const { return numbers_; }
  const std::map<std::string, uint64_t, std::less<>>& integers() const { return integers_; }
  const std::map<std::string, std::pair<uint32_t, uint32_t>, std::less<>>& pairs() const {
    return pairs_;
  }
  const std::map<std::string, std::vector<uint32_t>, std::less<>>& lists() const { return lists_; }
  const std::map<std::string, std::vector<double>, std::less<>>& number_lists() const {
    return number_lists_;
  }
  const std::map<std::string, std::string, std::less<>>& texts() const { return texts_; }
  const std::map<std::string, std::vector<std::optional<double>>, std::less<>>& columns() const {
    return columns_;
  }
  const std::vector<ProfileNumber>& profile_numbers() const { return profile_numbers_; }
  const std::vector<Undefined>& undefined() const { return undefined_; }
  const std::vector<Warning>& warnings() const { return warnings_; }

 private:
  std::map<std::string, double, std::less<>> numbers_;
  std::map<std::string, uint64_t, std::less<>> integers_;
  std::map<std::string, std::pair<uint32_t, uint32_t>, std::less<>> pairs_;
  std::map<std::string, std::vector<uint32_t>, std::less<>> lists_;
  std::map<std::string, std::vector<double>, std::less<>> number_lists_;
  std::map<std::string, std::string, std::less<>> texts_;
  std::map<std::string, std::vector<std::optional<double>>, std::less<>> columns_;
  std::vector<ProfileNumber> profile_numbers_;
  std::vector<Undefined> undefined_;
  std::vector<Warning> warnings_;
};

}  // namespace ncscope
