#include "kernels/report_values.h"

#include <cmath>

namespace ncscope {

void ReportValues::set(std::string_view path, double value) {
  if (std::isfinite(value)) {
    numbers_.insert_or_assign(std::string(path), value);
  } else {
    undefined(path, "the value does not fit float64");
  }
}

void ReportValues::set_integer(std::string_view path, uint64_t value) {
  integers_.insert_or_assign(std::string(path), value);
}

void ReportValues::set_pair(std::string_view path, uint32_t first, uint32_t second) {
  pairs_.insert_or_assign(std::string(path), std::pair(first, second));
}

void ReportValues::set_list(std::string_view path, std::vector<uint32_t> values) {
  lists_.insert_or_assign(std::string(path), std::move(values));
}

void ReportValues::set_numbers(std::string_view path, std::vector<double> values) {
  number_lists_.insert_or_assign(std::string(path), std::move(values));
}

void ReportValues::set_text(std::string_view path, std::string value) {
  texts_.insert_or_assign(std::string(path), std::move(value));
}

void ReportValues::set_column(std::string_view field, std::vector<double> values) {
  set_column(field, std::vector<std::optional<double>>(values.begin(), values.end()));
}

void ReportValues::set_column(std::string_view field, std::vector<std::optional<double>> values) {
  for (std::optional<double>& value : values) {
    if (value && !std::isfinite(*value)) value.reset();
  }
  columns_.insert_or_assign(std::string(field), std::move(values));
}

void ReportValues::add_profile_number(ProfileNumber number) {
  if (number.value && !std::isfinite(*number.value)) {
    undefined("profile." + number.name, "the value does not fit float64");
    number.value.reset();
    number.standard_error.reset();
  }
  profile_numbers_.push_back(std::move(number));
}

void ReportValues::undefined(std::string_view path, std::string reason) {
  undefined_.push_back({std::string(path), std::move(reason)});
}

void ReportValues::warn(std::string_view code, std::string message) {
  warnings_.push_back({std::string(code), std::move(message)});
}

std::optional<double> ReportValues::number(std::string_view path) const {
  if (const auto it = numbers_.find(path); it != numbers_.end()) return it->second;
  if (const auto it = integers_.find(path); it != integers_.end()) {
    return static_cast<double>(it->second);
  }
  return std::nullopt;
}

std::optional<std::string> ReportValues::reason(std::string_view path) const {
  for (;;) {
    for (const Undefined& entry : undefined_) {
      if (entry.metric == path) return entry.reason;
    }
    const size_t dot = path.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    path = path.substr(0, dot);
  }
}

}  // namespace ncscope
