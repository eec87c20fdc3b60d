// The client library: everything the service offers, without gRPC types.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/series.h"
#include "client/server_error.h"
#include "ncscope/v1/service.pb.h"
#include "proto/convert/statistics.h"

namespace ncscope::client {

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds call_timeout{60000};       // of calls that answer at once
  std::chrono::milliseconds reconnect_timeout{30000};  // that a series waits for a lost server
  size_t window_bytes = size_t{64} << 20;              // of batches that a series keeps
  // A call of a series that breaks after this long is no futile recovery (kMaxFutileRecoveries): a
  // proxy may end it while the report is made. Unless it began with fewer batches than were
  // acknowledged: that server was lost itself.
  std::chrono::milliseconds lasting_call{10000};
  // A server that has said nothing for this long is asked; if it does not answer in time, the
  // connection is lost. Servers allow a ping every 10 s.
  std::chrono::milliseconds keepalive_interval{60000};
  std::chrono::milliseconds keepalive_timeout{20000};
};

// A connection to one server. Thread-safe; a Series is used by one thread at a time.
class Client {
 public:
  // `address` is HOST:PORT. Throws ServerError UNAVAILABLE where nothing answers in time.
  explicit Client(std::string address, ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  const std::string& address() const;

  // Whether the server's health service says SERVING.
  bool healthy();

  // Starts to stream a series, or goes on with one: see Series::next_sequence().
  Series open(const v1::Open& open);

  // The report of a series, of one attempt where that is given. With a `wait` above zero, waits
  // that long for it to be made. Throws ServerError NOT_FOUND, DEADLINE_EXCEEDED, ABORTED where
  // what it waits for was dropped, FAILED_PRECONDITION where a higher attempt took its place.
  v1::Report report(const v1::SeriesKey& key,
                    std::chrono::milliseconds wait = std::chrono::milliseconds::zero(),
                    bool omit_classes = false, std::optional<uint32_t> attempt = std::nullopt);

  // Every run, most recently reported first.
  std::vector<v1::ListRunsResponse::Run> runs();

  // What is being streamed, of one run or, where empty, of all.
  v1::ListSeriesResponse series(const std::string& run = "");

  // Reports an epoch without the ranks that have not closed. Nothing where the report waits for
  // that of the train split. Throws ServerError NOT_FOUND, FAILED_PRECONDITION while one of them is
  // being streamed.
  std::optional<v1::Report> report_partial(const v1::SeriesKey& key);

  // Hands every report that `query` asks for to `take`, by epoch, split and layer; paging fields
  // of the query are ignored.
  void reports(v1::ListReportsRequest query, const std::function<void(const v1::Report&)>& take);

  // Hands reports to `take` as they are made, until it returns false.
  void watch(const v1::WatchReportsRequest& request,
             const std::function<bool(const v1::Report&)>& take);

  // Returns how many reports were deleted.
  uint64_t delete_run(const std::string& run);

  // The merged state behind a report; without decisions.
  StatisticsBundle statistics(const v1::SeriesKey& key);

  // Contributes a state as the samples of the rank that `open` names, with its decisions if it has
  // some: see v1::Decisions.
  v1::Closed put_statistics(const v1::Open& open, const StatisticsBundle& bundle);

 private:
  std::shared_ptr<class Connection> connection_;
};

}  // namespace ncscope::client
