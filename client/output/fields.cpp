#include "client/output/fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/time_util.h>

#include <stdexcept>

#include "client/output/number.h"

namespace ncscope::output {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kTimestamp = "google.protobuf.Timestamp";

// The message that holds the last part of a path; null where it is absent.
struct Found {
  const Message* message = nullptr;
  const FieldDescriptor* field = nullptr;
};

Found find_field(const Message& root, std::string_view path) {
  const Message* message = &root;
  const Descriptor* type = root.GetDescriptor();
  while (true) {
    const size_t dot = path.find('.');
    const FieldDescriptor* field = type->FindFieldByName(std::string(path.substr(0, dot)));
    if (field == nullptr) throw std::logic_error("no field '" + std::string(path) + "'");
    if (dot == std::string_view::npos) {
      const bool absent = message != nullptr && field->has_presence() &&
                          !message->GetReflection()->HasField(*message, field);
      return {absent ? nullptr : message, field};
    }
    if (message != nullptr && !message->GetReflection()->HasField(*message, field)) {
      message = nullptr;
    }
    if (message != nullptr) message = &message->GetReflection()->GetMessage(*message, field);
    type = field->message_type();
    path.remove_prefix(dot + 1);
  }
}

std::string element_text(const Found& found, int index) {
  const auto& reflection = *found.message->GetReflection();
  const bool repeated = found.field->is_repeated();
  const auto pick = [&](auto single, auto element) {
    return repeated ? (reflection.*element)(*found.message, found.field, index)
                    : (reflection.*single)(*found.message, found.field);
  };
  using R = google::protobuf::Reflection;
  switch (found.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return exact_number(pick(&R::GetDouble, &R::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(pick(&R::GetUInt32, &R::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(pick(&R::GetUInt64, &R::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_BOOL:
      return pick(&R::GetBool, &R::GetRepeatedBool) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return pick(&R::GetString, &R::GetRepeatedString);
    case FieldDescriptor::CPPTYPE_ENUM:
      return pick(&R::GetEnum, &R::GetRepeatedEnum)->name();
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const auto& time = static_cast<const google::protobuf::Timestamp&>(
          reflection.GetMessage(*found.message, found.field));
      return google::protobuf::util::TimeUtil::ToString(time);
    }
    default:
      throw std::logic_error("fields: no text for " + found.field->full_name());
  }
}

void collect_leaves(const Descriptor& type, const std::string& prefix,
                    std::vector<std::string>& out) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string path = prefix + field.name();
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
        field.message_type()->full_name() == kTimestamp) {
      out.push_back(path);
    } else if (!field.is_repeated()) {
      collect_leaves(*field.message_type(), path + ".", out);
    }
  }
}

}  // namespace

std::optional<double> number_at(const v1::Report& report, std::string_view path) {
  const Found found = find_field(report, path);
  if (found.message == nullptr) return std::nullopt;
  const auto& reflection = *found.message->GetReflection();
  switch (found.field->is_repeated() ? FieldDescriptor::CPPTYPE_MESSAGE : found.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(*found.message, found.field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(*found.message, found.field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection.GetUInt64(*found.message, found.field));
    default:
      throw std::logic_error("number_at: '" + std::string(path) + "' is not a number");
  }
}

std::string text_at(const v1::Report& report, std::string_view path) {
  const Found found = find_field(report, path);
  if (found.message == nullptr) return "";
  if (!found.field->is_repeated()) return element_text(found, 0);
  const int size = found.message->GetReflection()->FieldSize(*found.message, found.field);
  std::string text;
  for (int i = 0; i < size; ++i) text += (i > 0 ? " " : "") + element_text(found, i);
  return text;
}

std::optional<std::string> undefined_reason(const v1::Report& report, std::string_view path) {
  for (const v1::Undefined& entry : report.undefined()) {
    const std::string& metric = entry.metric();
    if (path == metric || path.starts_with(metric + ".")) return entry.reason();
  }
  return std::nullopt;
}

std::vector<std::string> leaf_paths() {
  std::vector<std::string> paths;
  collect_leaves(*v1::Report::descriptor(), "", paths);
  return paths;
}

}  // namespace ncscope::output
