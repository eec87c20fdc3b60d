#include "client/output/message_json.h"

#include <google/protobuf/util/json_util.h>

#include "kernels/errors.h"

namespace ncscope::output {

std::string message_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) throw Error(message.GetTypeName() + ": " + status.ToString());
  return json;
}

}  // namespace ncscope::output
