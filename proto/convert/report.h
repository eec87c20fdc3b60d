// Reports as messages and as JSON.
#pragma once

#include <string>

#include "kernels/device.h"
#include "kernels/report.h"
#include "kernels/report_values.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope {

// Writes every value into the field that its path names, by reflection; also undefined[],
// warnings[], classes[] and profile_numbers[]. Throws std::logic_error for a path that is no field
// of Report: a programming error, which a test over all metrics would show.
void fill_report(const ReportValues& values, v1::Report& report);

// Sets device, which made the report, and conventions, which are also those of the state;
// created_at becomes the present time.
void describe_report(const DeviceInfo& device, const Statistics& statistics,
                     const ReportOptions& options, v1::Report& report);

// The protobuf JSON mapping with the proto's own field names; metrics that are undefined are
// absent.
std::string report_to_json(const v1::Report& report, bool pretty);
v1::Report report_from_json(const std::string& json);  // throws InvalidArgument

}  // namespace ncscope
