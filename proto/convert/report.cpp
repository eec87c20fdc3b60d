#include "proto/convert/report.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <stdexcept>
#include <string_view>

#include "kernels/errors.h"
#include "proto/convert/types.h"

namespace ncscope {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The message that holds the last part of `path`, made where it is absent, and that field.
struct Target {
  Message* message;
  const FieldDescriptor* field;
};

Target find_target(Message& root, std::string_view path) {
  Message* message = &root;
  std::string_view rest = path;
  while (true) {
    const size_t dot = rest.find('.');
    const std::string name(rest.substr(0, dot));
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) {
      throw std::logic_error("no field '" + name + "' in " + message->GetTypeName() + " for '" +
                             std::string(path) + "'");
    }
    if (dot == std::string_view::npos) return {message, field};
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated()) {
      throw std::logic_error("'" + name + "' of '" + std::string(path) + "' is not a message");
    }
    message = message->GetReflection()->MutableMessage(message, field);
    rest.remove_prefix(dot + 1);
  }
}

[[noreturn]] void wrong_type(std::string_view path, const char* wanted) {
  throw std::logic_error("field '" + std::string(path) + "' does not hold " + wanted);
}

// Numbers go into double fields, or into integer fields if they are whole.
void set_number(const Target& target, std::string_view path, double value) {
  const auto* reflection = target.message->GetReflection();
  if (target.field->is_repeated()) wrong_type(path, "one number");
  switch (target.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(target.message, target.field, value);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(target.message, target.field, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(target.message, target.field, static_cast<uint64_t>(value));
    default:
      wrong_type(path, "a number");
  }
}

void set_integer(const Target& target, std::string_view path, uint64_t value) {
  const auto* reflection = target.message->GetReflection();
  if (target.field->is_repeated()) wrong_type(path, "one integer");
  switch (target.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(target.message, target.field, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(target.message, target.field, value);
    default:
      wrong_type(path, "an integer");
  }
}

void add_integer(const Target& target, std::string_view path, uint32_t value) {
  if (!target.field->is_repeated() || target.field->cpp_type() != FieldDescriptor::CPPTYPE_UINT32) {
    wrong_type(path, "a list of uint32");
  }
  target.message->GetReflection()->AddUInt32(target.message, target.field, value);
}

void add_number(const Target& target, std::string_view path, double value) {
  if (!target.field->is_repeated() || target.field->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) {
    wrong_type(path, "a list of numbers");
  }
  target.message->GetReflection()->AddDouble(target.message, target.field, value);
}

void set_text(const Target& target, std::string_view path, const std::string& value) {
  if (target.field->is_repeated() || target.field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    wrong_type(path, "a text");
  }
  target.message->GetReflection()->SetString(target.message, target.field, value);
}

void fill_classes(const ReportValues& values, v1::Report& report) {
  for (const auto& [field, column] : values.columns()) {
    while (report.classes_size() < static_cast<int>(column.size())) report.add_classes();
    for (size_t row = 0; row < column.size(); ++row) {
      if (!column[row]) continue;
      v1::ClassReport* entry = report.mutable_classes(static_cast<int>(row));
      set_number(find_target(*entry, field), field, *column[row]);
    }
  }
}

}  // namespace

void fill_report(const ReportValues& values, v1::Report& report) {
  for (const auto& [path, value] : values.numbers()) {
    set_number(find_target(report, path), path, value);
  }
  for (const auto& [path, value] : values.integers()) {
    set_integer(find_target(report, path), path, value);
  }
  for (const auto& [path, pair] : values.pairs()) {
    set_integer(find_target(report, path + ".first"), path, pair.first);
    set_integer(find_target(report, path + ".second"), path, pair.second);
  }
  for (const auto& [path, list] : values.lists()) {
    for (const uint32_t value : list) add_integer(find_target(report, path), path, value);
  }
  for (const auto& [path, list] : values.number_lists()) {
    for (const double value : list) add_number(find_target(report, path), path, value);
  }
  for (const auto& [path, value] : values.texts()) {
    set_text(find_target(report, path), path, value);
  }
  fill_classes(values, report);
  for (const ProfileNumber& number : values.profile_numbers()) {
    v1::ProfileNumber* entry = report.add_profile_numbers();
    entry->set_name(number.name);
    if (number.value) entry->set_value(*number.value);
    entry->set_formula(number.formula);
    entry->set_source(number.source);
    if (number.standard_error) entry->set_standard_error(*number.standard_error);
  }
  for (const Undefined& undefined : values.undefined()) {
    v1::Undefined* entry = report.add_undefined();
    entry->set_metric(undefined.metric);
    entry->set_reason(undefined.reason);
  }
  for (const Warning& warning : values.warnings()) {
    v1::Warning* entry = report.add_warnings();
    entry->set_code(warning.code);
    entry->set_message(warning.message);
  }
}

void describe_report(const DeviceInfo& device, const Statistics& statistics,
                     const ReportOptions& options, v1::Report& report) {
  *report.mutable_created_at() = google::protobuf::util::TimeUtil::GetCurrentTime();
  v1::Conventions& conventions = *report.mutable_conventions();
  conventions.set_weighting(to_proto(options.weighting));
  conventions.set_input_type(to_proto(statistics.input_type));
  conventions.set_accumulation(
      statistics.product_type == DType::kFloat64 ? "float64" : "float32 products, float64 sums");
  conventions.set_definitions_version(kDefinitionsVersion);
  conventions.set_profile(std::string(profile_name(options.profile)));
  conventions.set_software_version(NCSCOPE_VERSION);
  v1::DeviceInfo& info = *report.mutable_device();
  info.set_backend(device.backend);
  info.set_name(device.name);
  info.set_math(device.math);
  info.clear_libraries();
  for (const std::string& library : device.libraries) info.add_libraries(library);
  info.set_parallelism(device.parallelism);
  info.set_driver(device.driver);
}

std::string report_to_json(const v1::Report& report, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  // Fields without presence are printed when they are zero, so that epoch 0 is there; metrics have
  // presence and stay absent where they are undefined.
  options.always_print_primitive_fields = true;
  options.add_whitespace = pretty;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(report, &json, options);
  if (!status.ok()) throw Error("report_to_json: " + status.ToString());
  return json;
}

v1::Report report_from_json(const std::string& json) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  v1::Report report;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &report, options);
  if (!status.ok()) throw InvalidArgument("report_from_json: " + status.ToString());
  return report;
}

}  // namespace ncscope
