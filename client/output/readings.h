// What the numbers of a report say, in words.
#pragma once

#include <string>
#include <string_view>

#include "client/output/style.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// One line for each headline metric that has a value, with its course over the run where the report
// knows it; empty where there are none.
std::string readings(const v1::Report& report, const Style& style);

// Whether the report warns that the precision of the input, or of products, does not resolve the
// number at this path.
bool is_unresolved(const v1::Report& report, std::string_view path);

// How far a number may be from its expectation: " +- 0.012 (standard error, 16 groups)", and for a
// mean over sampled pairs how many they were; else empty.
std::string error_note(const v1::Report& report, std::string_view path);

}  // namespace ncscope::output
