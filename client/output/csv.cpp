#include "client/output/csv.h"

#include "client/output/fields.h"
#include "client/output/number.h"

namespace ncscope::output {
namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string csv_header() {
  std::string line;
  for (const std::string& path : leaf_paths()) line += path + ",";
  return line + "profile_numbers,undefined,warnings\n";
}

std::string csv_row(const v1::Report& report) {
  std::string line;
  for (const std::string& path : leaf_paths()) line += csv_field(text_at(report, path)) + ",";
  std::string numbers;
  for (const v1::ProfileNumber& number : report.profile_numbers()) {
    if (!number.has_value()) continue;
    numbers += (numbers.empty() ? "" : " ") + number.name() + "=" + exact_number(number.value());
  }
  std::string undefined;
  for (const v1::Undefined& entry : report.undefined()) {
    undefined += (undefined.empty() ? "" : " ") + entry.metric();
  }
  std::string warnings;
  for (const v1::Warning& entry : report.warnings()) {
    warnings += (warnings.empty() ? "" : " ") + entry.code();
  }
  return line + csv_field(numbers) + "," + csv_field(undefined) + "," + csv_field(warnings) + "\n";
}

}  // namespace ncscope::output
