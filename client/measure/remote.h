// Measures a data set by a server.
#pragma once

#include "client/client.h"
#include "client/measure/options.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::measure {

// Streams the set as one rank and returns the report. After a lost connection it goes on where the
// server is, from the files if need be. Throws ServerError, or InvalidArgument naming file and row.
v1::Report remote_report(client::Client& client, const files::SampleSet& set,
                         const MeasureOptions& options, const ReadSamples& progress = {});

}  // namespace ncscope::measure
