// The part of Engine that tells and ends what is being streamed.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "server/core/engine.h"
#include "server/core/errors.h"

namespace ncscope::server {
namespace {

constexpr size_t kMostMissing = 100;

v1::ListSeriesResponse::State state_message(SeriesStatus::State state) {
  switch (state) {
    case SeriesStatus::State::kStreaming:
      return v1::ListSeriesResponse::STATE_STREAMING;
    case SeriesStatus::State::kComplete:
      return v1::ListSeriesResponse::STATE_COMPLETE;
    case SeriesStatus::State::kReporting:
      return v1::ListSeriesResponse::STATE_REPORTING;
    case SeriesStatus::State::kLost:
      break;
  }
  return v1::ListSeriesResponse::STATE_LOST;
}

void write_series(const Series& series, v1::ListSeriesResponse::Series& out) {
  const SeriesStatus status = series.status();
  *out.mutable_key() = key_message(series.key());
  out.set_attempt(series.attempt());
  out.set_closed_ranks(status.closed);
  out.set_world_size(status.closed + static_cast<uint32_t>(status.missing.size()));
  out.set_state(state_message(status.state));
  for (size_t i = 0; i < std::min(status.missing.size(), kMostMissing); ++i) {
    const SeriesStatus::Missing& missing = status.missing[i];
    v1::ListSeriesResponse::MissingRank& rank = *out.add_missing();
    rank.set_rank(missing.rank);
    rank.set_connected(missing.connected);
    rank.set_batches(missing.batches);
    rank.set_absent_seconds(std::chrono::duration<double>(missing.absence).count());
    rank.set_broken(missing.broken);
  }
}

}  // namespace

v1::ListSeriesResponse Engine::list_series(const v1::ListSeriesRequest& request) {
  if (!request.run().empty()) {
    check_run_name(request.run());
    require_run(request.run());
  }
  v1::ListSeriesResponse response;
  for (const auto& series : registry_.all()) {
    if (!request.run().empty() && series->key().run != request.run()) continue;
    if (!series->reported()) write_series(*series, *response.add_series());
  }
  return response;
}

v1::ReportPartialResponse Engine::report_partial(const v1::ReportPartialRequest& request) {
  require_accepting();
  const SeriesKey key = parse_key(request.key());
  const auto series = registry_.find_streaming(key);
  if (!series) throw NotFound("nothing is streamed of " + describe(key));
  series->close_missing();
  spdlog::info("a partial report of {} was asked for", describe(key));
  v1::ReportPartialResponse response;
  if (const CloseResult result = finish(series); result.report) {
    *response.mutable_report() = *result.report;
  }
  return response;
}

}  // namespace ncscope::server
