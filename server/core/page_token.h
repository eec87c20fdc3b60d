// Page tokens of the lists: opaque to clients, checked here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ncscope/v1/types.pb.h"
#include "server/core/series_key.h"

namespace ncscope::server {

// Where the next page of runs begins.
struct RunPageToken {
  int64_t before_id = INT64_MAX;         // runs whose newest report is older
  std::optional<std::string> after_run;  // set: runs without reports, with greater names
};

// Throw InvalidArgument for a token that no answer gave; empty is the first page.
RunPageToken parse_run_token(const std::string& token);
std::optional<SeriesKey> parse_report_token(const std::string& run, const std::string& token);

std::string write_token(const RunPageToken& token);
std::string write_token(const v1::SeriesKey& last);

}  // namespace ncscope::server
