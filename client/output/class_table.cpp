#include "client/output/class_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "client/output/number.h"

namespace ncscope::output {
namespace {

// One column: its heading and the text of a class.
struct ClassColumn {
  const char* heading;
  size_t width;
  std::string (*text)(const v1::ClassReport&);
};

std::string class_value(bool present, double value) {
  return present ? short_number(value, 4) : "-";
}

const std::array<ClassColumn, 9> kClassColumns{{
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
    {"cos(w,M)", 10,
     [](const v1::ClassReport& c) { return class_value(c.has_cosine(), c.cosine()); }},
    {"agreement", 11,
     [](const v1::ClassReport& c) { return class_value(c.has_agreement(), c.agreement()); }},
    {"ncc acc", 9,
     [](const v1::ClassReport& c) { return class_value(c.has_ncc_accuracy(), c.ncc_accuracy()); }},
}};

}  // namespace

std::string class_table(const v1::Report& report, size_t max_classes, const Style& style) {
  if (report.classes_size() == 0 || max_classes == 0) return "";
  std::vector<const v1::ClassReport*> classes;
  for (const v1::ClassReport& entry : report.classes()) classes.push_back(&entry);
  const size_t all = classes.size();
  std::string title = "Classes";
  if (all > max_classes) {
    std::ranges::stable_sort(classes, [](const v1::ClassReport* a, const v1::ClassReport* b) {
      return a->within_variance() > b->within_variance();
    });
    classes.resize(max_classes);
    title.append("  the ").append(grouped_integer(max_classes));
    title.append(" of ").append(grouped_integer(all));
    title.append(" with the largest within-class variance");
  }
  std::string text = "\n" + style.heading(title) + "\n";
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
