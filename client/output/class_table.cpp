#include "client/output/class_table.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "client/output/number.h"
#include "kernels/errors.h"

namespace ncscope::output {
namespace {

// One column: its heading and the text of a class.
struct ClassColumn {
  const char* heading;
  size_t width;
  std::string (*text)(const v1::ClassReport&);
};

// v_c over the squared distance to the nearest class.
std::optional<double> spread(const v1::ClassReport& entry) {
  if (!entry.has_within_variance() || !entry.has_nearest_distance()) return std::nullopt;
  const double distance = entry.nearest_distance();
  if (distance > 0) return entry.within_variance() / distance / distance;
  return entry.within_variance() > 0 ? std::numeric_limits<double>::infinity() : 0;
}

// Lowest first.
double rank_of(const v1::ClassReport& entry, ClassOrder order) {
  switch (order) {
    case ClassOrder::kWorst:
      return -spread(entry).value_or(entry.within_variance());
    case ClassOrder::kCount:
      return static_cast<double>(entry.count());
    case ClassOrder::kAccuracy:
      if (entry.has_classifier_accuracy()) return entry.classifier_accuracy();
      return entry.has_ncc_accuracy() ? entry.ncc_accuracy() : 1;
    case ClassOrder::kLabel:
      break;
  }
  return entry.label();
}

const char* order_text(ClassOrder order) {
  switch (order) {
    case ClassOrder::kWorst:
      return "largest spread (variance / squared distance to the nearest class) first";
    case ClassOrder::kCount:
      return "fewest samples first";
    case ClassOrder::kAccuracy:
      return "lowest accuracy first";
    case ClassOrder::kLabel:
      break;
  }
  return "lowest label first";
}

std::string class_value(bool present, double value) {
  return present ? short_number(value, 4) : "-";
}

const std::array<ClassColumn, 11> kClassColumns{{
    {"class", 7, [](const v1::ClassReport& c) { return std::to_string(c.label()); }},
    {"samples", 10, [](const v1::ClassReport& c) { return grouped_integer(c.count()); }},
    {"within var", 12,
     [](const v1::ClassReport& c) {
       return class_value(c.has_within_variance(), c.within_variance());
     }},
    {"|M_c|", 11,
     [](const v1::ClassReport& c) { return class_value(c.has_mean_norm(), c.mean_norm()); }},
    {"nearest", 9,
     [](const v1::ClassReport& c) {
       return c.has_nearest_class() ? std::to_string(c.nearest_class()) : std::string("-");
     }},
    {"at", 11,
     [](const v1::ClassReport& c) {
       return class_value(c.has_nearest_distance(), c.nearest_distance());
     }},
    {"spread", 11, [](const v1::ClassReport& c) { return short_number(spread(c), 4); }},
    {"cos(w,M)", 10,
     [](const v1::ClassReport& c) { return class_value(c.has_cosine(), c.cosine()); }},
    {"agreement", 11,
     [](const v1::ClassReport& c) { return class_value(c.has_agreement(), c.agreement()); }},
    {"ncc acc", 9,
     [](const v1::ClassReport& c) { return class_value(c.has_ncc_accuracy(), c.ncc_accuracy()); }},
    {"accuracy", 10,
     [](const v1::ClassReport& c) {
       return class_value(c.has_classifier_accuracy(), c.classifier_accuracy());
     }},
}};

}  // namespace

ClassOrder parse_class_order(std::string_view name) {
  if (name == "worst") return ClassOrder::kWorst;
  if (name == "label") return ClassOrder::kLabel;
  if (name == "count") return ClassOrder::kCount;
  if (name == "accuracy") return ClassOrder::kAccuracy;
  throw InvalidArgument("class order: expected worst, label, count or accuracy, got " +
                        std::string(name));
}

std::string class_table(const v1::Report& report, size_t max_classes, ClassOrder order,
                        const Style& style) {
  if (report.classes_size() == 0 || max_classes == 0) return "";
  std::vector<const v1::ClassReport*> classes;
  for (const v1::ClassReport& entry : report.classes()) classes.push_back(&entry);
  std::ranges::stable_sort(classes, {},
                           [&](const v1::ClassReport* entry) { return rank_of(*entry, order); });
  std::string title = "Classes  ";
  if (classes.size() > max_classes) {
    title += grouped_integer(max_classes) + " of " + grouped_integer(classes.size()) + ", ";
    classes.resize(max_classes);
  }
  std::string text = "\n" + style.heading(title + order_text(order)) + "\n";
  for (const ClassColumn& column : kClassColumns) text += right(column.heading, column.width);
  text += "\n";
  for (const v1::ClassReport* entry : classes) {
    for (const ClassColumn& column : kClassColumns)
      text += right(column.text(*entry), column.width);
    text += "\n";
  }
  return text;
}

}  // namespace ncscope::output
