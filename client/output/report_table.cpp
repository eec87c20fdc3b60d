#include "client/output/report_table.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "client/output/fields.h"
#include "client/output/layer_table.h"
#include "client/output/metric_rows.h"
#include "client/output/number.h"
#include "client/output/readings.h"

namespace ncscope::output {
namespace {

constexpr int kDigits = 4;
constexpr size_t kNameWidth = 24;
constexpr size_t kValueWidth = 12;

std::string named_series(const v1::SeriesKey& key) {
  std::string text = key.run().empty() ? "report" : key.run();
  text += "  epoch " + std::to_string(key.epoch());
  if (!key.split().empty()) text += "  split " + key.split();
  if (!key.layer().empty()) text += "  layer " + key.layer();
  return text;
}

// "DATA_TYPE_FLOAT32" -> "float32".
std::string lower_after(std::string name, std::string_view prefix) {
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

std::string header_lines(const v1::Report& report, const Style& style) {
  const v1::DataSummary& data = report.data();
  const v1::Conventions& conventions = report.conventions();
  std::string text = style.heading(named_series(report.key())) + "\n";
  text += grouped_integer(data.samples()) + " samples, " + grouped_integer(data.present_classes()) +
          " of " + grouped_integer(data.num_classes()) + " classes (" +
          grouped_integer(data.min_class_count()) + " to " +
          grouped_integer(data.max_class_count()) +
          " samples each), d = " + grouped_integer(data.dim()) + ", " +
          lower_after(v1::DataType_Name(conventions.input_type()), "DATA_TYPE_") + "\n";
  std::string noted;
  if (data.singletons() > 0) noted += ", " + grouped_integer(data.singletons()) + " singletons";
  if (data.ignored() > 0) noted += ", " + grouped_integer(data.ignored()) + " rows ignored";
  if (data.skipped_nonfinite() > 0) {
    noted += ", " + grouped_integer(data.skipped_nonfinite()) + " rows not finite and skipped";
  }
  if (data.absent_classes() > 0) {
    noted += ", " + grouped_integer(data.absent_classes()) + " classes absent:";
    constexpr int kListed = 10;
    for (int i = 0; i < std::min(kListed, data.absent_size()); ++i) {
      noted += " " + std::to_string(data.absent(i));
    }
    if (data.absent_classes() > kListed) noted += " ...";
  }
  if (report.partial()) noted += ", samples are known to be missing";
  if (!noted.empty()) text += style.alert(noted.substr(2)) + "\n";
  text +=
      style.faint("weighting " +
                  lower_after(v1::Weighting_Name(conventions.weighting()), "WEIGHTING_") + ", " +
                  conventions.accumulation() + ", computed by " + report.device().backend() + " (" +
                  report.device().name() + "), " + report.device().math() + " math") +
      "\n";
  return text;
}

std::string ideal_text(std::string_view ideal, size_t vectors) {
  if (!ideal.ends_with("/(P-1)")) return std::string(ideal);
  if (vectors < 2) return "";
  const auto p = static_cast<double>(vectors);
  return short_number((ideal == "P/(P-1)" ? p : -1) / (p - 1), kDigits);
}

// The pair of classes that a metric singles out.
std::string pair_text(const v1::Report& report, const std::string& path) {
  if (path != "nc1.cdnv_max" || !report.nc1().has_cdnv_worst_pair()) return "";
  const v1::ClassPair& pair = report.nc1().cdnv_worst_pair();
  return ": classes " + std::to_string(pair.first()) + " and " + std::to_string(pair.second());
}

// A value that precision does not resolve is marked.
std::string value_text(const v1::Report& report, const std::string& path,
                       const std::optional<double>& value) {
  const bool marked = value && is_unresolved(report, path);
  return right((marked ? "~" : "") + short_number(value, kDigits), kValueWidth);
}

// Rows of a group with one value each: name, value, ideal, meaning or why there is no value.
// A metric that is absent without a reason belongs to no part of this report and is left out.
std::string group_rows(const v1::Report& report, const std::string& group,
                       std::span<const MetricRow> rows, const Style& style) {
  std::string text;
  for (const MetricRow& row : rows) {
    const std::string path = group + "." + std::string(row.field);
    const auto value = number_at(report, path);
    const auto reason = undefined_reason(report, path);
    if (!value && !reason) continue;
    text += "  " + left(std::string(row.field), kNameWidth) + value_text(report, path, value) +
            right(std::string(row.ideal), 9) + "  " +
            (value ? style.faint(std::string(row.meaning) + pair_text(report, path) +
                                 error_note(report, path))
                   : style.alert("undefined: " + *reason)) +
            "\n";
  }
  return text;
}

std::string group_heading(const std::string& name, const std::string& meaning, const Style& style) {
  const std::string title = left(name + "  " + meaning, kNameWidth + 2);
  const size_t used = std::max(title.size(), kNameWidth + 2);
  const size_t to_value = kNameWidth + 2 + kValueWidth;
  return "\n" + style.heading(title) +
         (used + 7 <= to_value ? right("value", to_value - used) : std::string("  value")) +
         right("ideal", 9) + "\n";
}

// Another tool's numbers, by its own names.
std::string profile_group(const v1::Report& report, const Style& style) {
  if (report.profile_numbers_size() == 0) return "";
  const std::string title = left("profile " + report.conventions().profile(), kNameWidth + 2);
  std::string text = "\n" + style.heading(title) + right("value", kValueWidth) + "\n";
  for (const v1::ProfileNumber& number : report.profile_numbers()) {
    const auto value = number.has_value() ? std::optional(number.value()) : std::nullopt;
    const auto reason = undefined_reason(report, "profile." + number.name());
    text += "  " + left(number.name(), kNameWidth) +
            right(short_number(value, kDigits), kValueWidth) + "  " +
            (value ? style.faint(number.formula())
                   : style.alert("undefined: " + reason.value_or("no reason was given"))) +
            "\n";
  }
  return text;
}

// A whole group without a value: its reason in one line.
const v1::Undefined* whole_group(const v1::Report& report, const std::string& group) {
  for (const v1::Undefined& entry : report.undefined()) {
    if (entry.metric() == group) return &entry;
  }
  return nullptr;
}

std::string simple_group(const v1::Report& report, const std::string& group,
                         const std::string& name, const std::string& meaning,
                         std::span<const MetricRow> rows, const Style& style) {
  if (const v1::Undefined* entry = whole_group(report, group)) {
    return "\n" + style.heading(name + "  " + meaning) + "\n  " +
           style.alert("undefined: " + entry->reason()) + "\n";
  }
  const std::string body = group_rows(report, group, rows, style);
  return body.empty() ? "" : group_heading(name, meaning, style) + body;
}

// A group of several columns, such as class means and classifier rows.
std::string column_group(const v1::Report& report, const std::string& group,
                         const std::string& title, std::span<const std::string> columns,
                         std::span<const MetricRow> rows, bool with_ideal, const Style& style) {
  const v1::Undefined* whole = whole_group(report, group);
  if (whole != nullptr) {
    return "\n" + style.heading(title) + "\n  " + style.alert("undefined: " + whole->reason()) +
           "\n";
  }
  std::string body;
  std::vector<std::string> notes;
  for (const std::string& column : columns) {
    if (const v1::Undefined* entry = whole_group(report, group + "." + column)) {
      notes.push_back(column + " undefined: " + entry->reason());
    }
  }
  for (const MetricRow& row : rows) {
    std::string values;
    bool any = false;
    for (const std::string& column : columns) {
      const std::string path = group + "." + column + "." + std::string(row.field);
      const auto value = number_at(report, path);
      const auto reason = undefined_reason(report, path);
      const bool own_reason = reason && whole_group(report, group + "." + column) == nullptr;
      any = any || value || own_reason;
      values += value_text(report, path, value);
      if (const std::string note = error_note(report, path); !note.empty()) {
        notes.push_back(column + "." + std::string(row.field) + note);
      }
      if (!value && own_reason) {
        notes.push_back(column + "." + std::string(row.field) + " undefined: " + *reason);
      }
    }
    if (!any) continue;
    body += "  " + left(std::string(row.field), kNameWidth) + values;
    if (with_ideal) body += right(ideal_text(row.ideal, report.data().present_classes()), 9);
    body += "  " + style.faint(std::string(row.meaning)) + "\n";
  }
  if (body.empty() && notes.empty()) return "";
  std::string text = "\n" + style.heading(title);
  for (size_t i = 0; i < columns.size(); ++i) {
    const size_t width = kValueWidth + (i == 0 ? kNameWidth + 2 - title.size() : 0);
    text += right(columns[i], width);
  }
  if (with_ideal) text += right("ideal", 9);
  text += "\n" + body;
  for (const std::string& note : notes) text += "  " + style.alert(note) + "\n";
  return text;
}

}  // namespace

std::string report_table(const v1::Report& report, size_t max_classes, ClassOrder order,
                         const Style& style) {
  std::string text = header_lines(report, style);
  text += simple_group(report, "nc1", "NC1", "variability", kNc1Rows, style);
  const std::array<std::string, 2> vectors = {"means", "classifier"};
  text += column_group(report, "nc2", "NC2  simplex ETF", vectors, kNc2Rows, true, style);
  text += simple_group(report, "nc3", "NC3", "self-duality", kNc3Rows, style);
  text += simple_group(report, "nc4", "NC4", "nearest centre", kNc4Rows, style);
  text += simple_group(report, "nc5", "NC5", "out of distribution", kNc5Rows, style);
  text += simple_group(report, "test_collapse", "Test", "collapse", kTestCollapseRows, style);
  const std::array<std::string, 3> scatters = {"within", "between", "total"};
  text += column_group(report, "spectrum", "spectrum", scatters, kSpectrumRows, false, style);
  text += simple_group(report, "minority", "minority", "collapse", kMinorityRows, style);
  const std::array<std::string, 3> thirds = {"head", "mid", "tail"};
  text += column_group(report, "class_groups", "classes by count", thirds, kClassGroupRows, true,
                       style);
  text += profile_group(report, style);
  text += readings(report, style);
  text += class_table(report, max_classes, order, style);
  text += layer_table(report, style);
  if (report.warnings_size() > 0) text += "\n";
  for (const v1::Warning& warning : report.warnings()) {
    text += style.alert("warning " + warning.code() + ": " + warning.message()) + "\n";
  }
  return text;
}

}  // namespace ncscope::output
