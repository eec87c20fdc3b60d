// The part of Engine that reads.
#include <algorithm>
#include <filesystem>

#include "proto/convert/statistics_file.h"
#include "server/core/engine.h"
#include "server/core/errors.h"
#include "server/core/page_token.h"
#include "server/core/text.h"

namespace ncscope::server {
namespace {

// How soon a waiting request notices that its caller is gone.
constexpr std::chrono::milliseconds kPollInterval{100};
// A page of reports stays below the 4 MiB that clients receive by default.
constexpr size_t kPageBytes = size_t{3} << 20;
constexpr size_t kWatchPage = 64;

size_t page_limit(uint32_t page_size) {
  return page_size == 0 ? 100 : std::min<size_t>(page_size, 1000);
}

[[noreturn]] void refuse_replaced(const SeriesKey& key, uint32_t asked, uint32_t known,
                                  const char* state) {
  throw FailedPrecondition("GetReport: attempt " + std::to_string(asked) +
                           " was replaced by attempt " + std::to_string(known) + ", which is " +
                           state + ": " + describe(key));
}

void set_open(const Registry::OpenRun& open, v1::ListRunsResponse::Run& run) {
  run.set_open_series(open.series);
  run.set_lost_series(open.lost);
}

}  // namespace

v1::Report Engine::get_report(const v1::GetReportRequest& request, const IsCancelled& cancelled) {
  const SeriesKey key = parse_key(request.key());
  const uint32_t asked = request.attempt();
  std::shared_ptr<Series> awaited;
  while (true) {
    const uint64_t seen = services_.hub.version();
    const auto streamed = request.wait() ? registry_.find_streaming(key) : nullptr;
    if (streamed) awaited = streamed;
    const std::optional<std::string> lost = awaited ? awaited->lost() : std::nullopt;
    const bool replaced = streamed && request.has_attempt() && streamed->attempt() > asked;
    if (!streamed || lost || replaced) {
      auto stored = services_.reports.find(key, !request.omit_classes(), request.include_layers());
      if (stored) {
        const uint32_t got = stored->report.attempt();
        const bool wanted =
            request.has_attempt() ? got == asked : !lost || got >= awaited->attempt();
        if (wanted) return std::move(stored->report);
        if (request.has_attempt() && got > asked) refuse_replaced(key, asked, got, "reported");
      }
      if (replaced) refuse_replaced(key, asked, streamed->attempt(), "streamed");
      if (lost) throw Aborted("GetReport: " + *lost);
    }
    if (!request.wait()) {
      throw NotFound("no report of " + describe(key) +
                     (request.has_attempt() ? ", attempt " + std::to_string(asked) : ""));
    }
    if (streamed) {
      if (const std::string text = streamed->status().lost_text(); !text.empty()) {
        throw FailedPrecondition("GetReport: the epoch is lost: " + text + ": " + describe(key));
      }
    }
    if (cancelled()) throw Cancelled("GetReport: the caller is gone");
    // Without logs, reports of series that are complete are made before the end.
    const bool comes = !services_.logs.enabled() && awaited && awaited->complete();
    const bool nothing_comes = draining_ && active_ == 0 && !comes;
    if (stopped_ || nothing_comes) throw Unavailable("GetReport: the server is shutting down");
    services_.hub.wait_for_change(seen, kPollInterval);
  }
}

v1::ListRunsResponse Engine::list_runs(const v1::ListRunsRequest& request) {
  const size_t limit = page_limit(request.page_size());
  RunPageToken token = parse_run_token(request.page_token());
  const auto open = registry_.open_runs();
  v1::ListRunsResponse response;
  // First the runs with reports, then those that are only being streamed.
  if (!token.after_run) {
    const auto stored = services_.reports.list_runs(token.before_id, limit + 1);
    for (const StoredRun& run : stored) {
      if (response.runs_size() == static_cast<int>(limit)) {
        response.set_next_page_token(write_token(token));
        return response;
      }
      v1::ListRunsResponse::Run& out = *response.add_runs();
      out = run.run;
      if (const auto found = open.find(run.run.run()); found != open.end()) {
        set_open(found->second, out);
      }
      token.before_id = run.last_id;
    }
    token.after_run = "";
  }
  for (auto it = open.upper_bound(*token.after_run); it != open.end(); ++it) {
    if (services_.reports.has_run(it->first)) continue;
    if (response.runs_size() == static_cast<int>(limit)) {
      response.set_next_page_token(write_token(token));
      return response;
    }
    v1::ListRunsResponse::Run& out = *response.add_runs();
    out.set_run(it->first);
    set_open(it->second, out);
    token.after_run = it->first;
  }
  return response;
}

void Engine::require_run(const std::string& run) {
  if (services_.reports.has_run(run) || registry_.open_runs().contains(run)) return;
  throw NotFound("no run '" + run + "'");
}

v1::ListReportsResponse Engine::list_reports(const v1::ListReportsRequest& request) {
  check_run_name(request.run());
  if (!request.split().empty()) check_short_name("split", request.split());
  if (!request.layer().empty()) check_short_name("layer", request.layer());
  require_run(request.run());
  ReportFilter filter{request.run(), request.split(), request.layer(), request.min_epoch(), {}};
  if (request.has_max_epoch()) filter.max_epoch = request.max_epoch();
  auto page =
      services_.reports.list(filter, parse_report_token(request.run(), request.page_token()),
                             page_limit(request.page_size()), kPageBytes, request.include_classes(),
                             request.include_layers());
  v1::ListReportsResponse response;
  for (StoredReport& stored : page.reports) response.add_reports()->Swap(&stored.report);
  if (page.more) {
    const auto& last = response.reports(response.reports_size() - 1).key();
    response.set_next_page_token(write_token(last));
  }
  return response;
}

void Engine::watch_reports(const v1::WatchReportsRequest& request, const IsCancelled& cancelled,
                           const std::function<bool(const v1::Report&)>& sink) {
  if (!request.run().empty()) check_run_name(request.run());
  // Subscribed first, so that no report falls between what is there and what comes.
  const auto subscription = services_.hub.subscribe(request.run());
  const int64_t last = services_.reports.last_id();
  int64_t sent = request.include_existing() ? 0 : last;
  while (sent < last) {
    const auto existing =
        services_.reports.list_by_id(request.run(), sent, last, kWatchPage, kPageBytes,
                                     request.include_classes(), request.include_layers());
    if (existing.empty()) break;
    for (const StoredReport& stored : existing) {
      if (cancelled() || !sink(stored.report)) return;
      sent = stored.id;
    }
  }
  while (!cancelled()) {
    const auto published = subscription->next(kPollInterval);
    if (!published || (request.include_existing() && published->id <= last)) continue;
    if (request.include_classes() && !request.include_layers()) {
      if (!sink(*published->report)) return;
      continue;
    }
    v1::Report report = *published->report;
    if (!request.include_classes()) report.clear_classes();
    if (request.include_layers()) {
      for (v1::LayerReport& layer : services_.reports.layers(parse_key(report.key()))) {
        report.add_layers()->Swap(&layer);
      }
    }
    if (!sink(report)) return;
  }
  throw Cancelled("WatchReports: the caller is gone");
}

StoredState Engine::get_statistics(const v1::GetStatisticsRequest& request) {
  const SeriesKey key = parse_key(request.key());
  if (!services_.reports.find(key, false)) throw NotFound("no report of " + describe(key));
  const auto record = services_.reports.find_statistics(key);
  if (!record || record->epoch != key.epoch) {
    throw NotFound("the state of " + describe(key) + " is not kept; only that of the epoch that" +
                   " was reported last is" +
                   (record ? ", epoch " + std::to_string(record->epoch) : std::string()));
  }
  const auto path = services_.statistics_folder / record->file;
  std::error_code missing;
  // The file holds one triangle of the scatter, memory both.
  const uint64_t bytes = 2 * std::filesystem::file_size(path, missing);
  try {
    StoredState state;
    // Without making room: nothing is dropped for somebody who only reads.
    if (!missing) state.memory = services_.memory.reserve(bytes, "state of " + describe(key));
    state.bundle = load_statistics(path);
    return state;
  } catch (const ResourceExhausted&) {
    throw;
  } catch (const Error&) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) throw;
    throw NotFound("the state of " + describe(key) + " was just replaced by that of a newer epoch");
  }
}

}  // namespace ncscope::server
