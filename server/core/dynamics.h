// The run up to an epoch: what a report says about the reports before it.
#pragma once

#include <span>

#include "ncscope/v1/report.pb.h"
#include "server/storage/report_store.h"

namespace ncscope::server {

// Slope of log10(nc1.pinv) over epochs, of the last 10 of `history` and this point; nothing where
// fewer than two of them have a positive value. `history` ascends, below the epoch of `now`.
std::optional<double> pinv_slope(std::span<const HistoryPoint> history, const HistoryPoint& now);

// Fills report.dynamics from the store: see Dynamics in report.proto.
void fill_dynamics(ReportStore& reports, v1::Report& report);

}  // namespace ncscope::server
