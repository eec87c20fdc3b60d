// Fields of a report by path, such as "nc2.means.etf_error", by reflection.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// The number at a path; nothing where it is absent. Throws std::logic_error for a path that is no
// numeric field: a programming error.
std::optional<double> number_at(const v1::Report& report, std::string_view path);

// The value at a path as text: numbers with all their digits, enumerations by name, timestamps as
// RFC 3339, lists joined by spaces; empty where it is absent.
std::string text_at(const v1::Report& report, std::string_view path);

// The reason why a path, or a group that it belongs to, is undefined.
std::optional<std::string> undefined_reason(const v1::Report& report, std::string_view path);

// Every path of a report that holds one value or a list of plain values, in the proto's order.
// Tables within a report (classes, layers, ...) are left out.
std::vector<std::string> leaf_paths();

}  // namespace ncscope::output
