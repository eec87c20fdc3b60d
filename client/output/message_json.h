// An answer of a server as JSON, for machines: the fields' own names, all of them.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace ncscope::output {

// Throws Error where the message cannot be written.
std::string message_json(const google::protobuf::Message& message);

}  // namespace ncscope::output
