// Everything that a transport asks of the server: streams, states, reports, runs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ncscope/v1/service.pb.h"
#include "proto/convert/statistics.h"
#include "server/core/activity.h"
#include "server/core/registry.h"
#include "server/core/services.h"
#include "server/core/session.h"
#include "server/core/state_upload.h"

namespace ncscope::server {

// Whether the caller of a waiting request is gone.
using IsCancelled = std::function<bool()>;

// A state read back, and the memory it takes.
struct StoredState {
  Reservation memory;
  StatisticsBundle bundle;
};

// Thread-safe. Every method throws the errors of errors.h.
class Engine : public SessionSource {
 public:
  // Removes files of states that no report refers to, and takes up the epochs that an earlier
  // server has logged.
  Engine(Services& services, std::chrono::seconds idle_series_timeout);
  ~Engine() override;

  std::unique_ptr<Session> open(const v1::Open& open) override;

  // The report, with its per-class table unless omitted. With `wait` it is waited for while the
  // series is streamed or not there yet. Throws NotFound, Cancelled, Unavailable, Aborted where
  // what is waited for was dropped, FailedPrecondition where a higher attempt took the place of the
  // one that is asked for.
  v1::Report get_report(const v1::GetReportRequest& request, const IsCancelled& cancelled);
  v1::ListRunsResponse list_runs(const v1::ListRunsRequest& request);
  v1::ListReportsResponse list_reports(const v1::ListReportsRequest& request);
  // Calls `sink` for each report until it returns false or the caller is gone; throws Unavailable
  // when the server shuts down.
  void watch_reports(const v1::WatchReportsRequest& request, const IsCancelled& cancelled,
                     const std::function<bool(const v1::Report&)>& sink);
  v1::ListSeriesResponse list_series(const v1::ListSeriesRequest& request);
  // The report of an epoch without the ranks that have not closed; absent where it waits for train.
  v1::ReportPartialResponse report_partial(const v1::ReportPartialRequest& request);
  v1::DeleteRunResponse delete_run(const v1::DeleteRunRequest& request);
  // The merged state of the most recently reported epoch of its (run, split, layer).
  StoredState get_statistics(const v1::GetStatisticsRequest& request);

  // From now on no new streams, and watchers end; what is open goes on.
  void begin_drain();
  // Makes the reports of series whose ranks have all closed, with what is there, until `hurry` says
  // to leave the rest.
  void report_complete(const std::function<bool()>& hurry);
  // Ends waiting requests too.
  void stop();
  bool draining() const { return draining_; }
  // Streams and states that are being received.
  size_t active() const { return active_; }

  // Series that are complete and wait for train, or for another try.
  size_t held() const;

  Services& services() { return services_; }
  const Registry& registry() const { return registry_; }

 private:
  friend class StateUpload;
  friend class SeriesSession;

  void restore_series();
  void restore_series(const std::shared_ptr<SeriesLog>& log);
  void require_accepting() const;
  // Runs `action` for the series `key`; where that is refused for want of room, takes some from
  // complete series, else drops the series that is idle longest of those that take such room, never
  // this one, and runs it once more, until it succeeds or none is left.
  template <class Action>
  auto with_room(const SeriesKey& key, const Action& action);
  // Memory of the budget, for the series `key`. Throws ResourceExhausted.
  Reservation reserve(size_t bytes, const std::string& purpose, const SeriesKey& key);
  std::unique_ptr<Session> open_once(const v1::Open& open);
  CloseResult close_with_state(const SeriesKey& key, const v1::Open& open, const SeriesSpec& spec,
                               StatisticsBundle bundle, uint32_t digest, Reservation memory);
  // What a Close is answered once its rank is closed: the report, made now if it can be; counts
  // where ranks are missing, or where the report waits for that of the train split.
  CloseResult finish(const std::shared_ptr<Series>& series);
  // Whether the train split of the epoch is being streamed by somebody who is still there, for no
  // longer than a report waits, and is not reported in the attempt of `series`: nothing better
  // comes then.
  bool waits_for_train(const Series& series,
                       std::chrono::steady_clock::time_point complete_since) const;
  // Takes room from the series that are complete, never from `key`: frees their accumulators where
  // it is `budget` that is short, else makes a report with what is there. False if there is none.
  bool take_room(const SeriesKey& key, const MemoryBudget* budget);
  // Makes the report of a series that nobody waits for; false, and a line in the log, if it fails.
  bool report_now(const std::shared_ptr<Series>& series);
  // Makes the reports that no longer have to wait: of the epoch and layer of `train`, or all, until
  // `stop` asks for an end.
  void report_held(const SeriesKey* train, const std::stop_token& stop = {});
  // Looks for them until the engine stops: waits end by themselves, and train series are dropped.
  void bound_idle_log();
  void watch_held(const std::stop_token& stop);
  void require_run(const std::string& run);
  void remove_statistics(const std::vector<std::string>& files);

  Services& services_;
  const std::chrono::seconds idle_series_timeout_;
  Registry registry_;
  std::atomic<uint64_t> sessions_{0};
  std::atomic<size_t> active_{0};
  std::atomic<bool> draining_{false};
  std::atomic<bool> ending_{false};  // no report waits for train any more
  std::atomic<bool> stopped_{false};
  std::mutex held_mutex_;
  std::condition_variable_any held_changed_;
  std::jthread held_watch_;  // last: it uses the rest
};

}  // namespace ncscope::server
