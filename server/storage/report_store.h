// Reports and what is needed to recognise a repeated request after a restart, in one SQLite file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ncscope/v1/report.pb.h"
#include "ncscope/v1/service.pb.h"
#include "server/core/series_key.h"
#include "server/storage/history.h"
#include "server/storage/sqlite.h"

namespace ncscope::server {

// What one rank contributed to a report.
struct RankContent {
  uint32_t rank = 0;
  std::vector<uint32_t> checksums;       // of each batch's content
  std::optional<uint32_t> state_digest;  // where the rank contributed a state instead
};

// A finished attempt, as far as repeated requests need it.
struct ReportedAttempt {
  uint32_t attempt = 0;
  v1::Open open;                          // of any rank
  std::vector<RankContent> ranks;         // ascending by rank
  std::optional<uint32_t> weight_digest;  // CRC-32C of W as float64
  std::optional<uint32_t> bias_digest;    // of b
};

struct StoredReport {
  int64_t id = 0;  // ascending in the order of reporting
  v1::Report report;
};

struct StoredRun {
  v1::ListRunsResponse::Run run;
  int64_t last_id = 0;  // id of its newest report
};

// Where the merged state of a series is, and which epoch and attempt it is of.
struct StatisticsRecord {
  uint32_t epoch = 0;
  uint32_t attempt = 0;
  std::string file;  // within DATA/statistics
};

struct ReportFilter {
  std::string run;
  std::string split;  // empty: all
  std::string layer;  // empty: all
  uint32_t min_epoch = 0;
  std::optional<uint32_t> max_epoch;
};

// Thread-safe: one connection behind one mutex. Every change is on the disk when a call returns.
class ReportStore {
 public:
  // Throws Error if the file is no report store or of a newer schema.
  explicit ReportStore(const std::filesystem::path& path);

  struct Inserted {
    int64_t id = 0;
    std::optional<std::string> obsolete_file;  // statistics that nothing refers to any more
  };
  // Replaces the report of a lower attempt, and the statistics of the series' other epochs.
  Inserted insert(const v1::Report& report, const ReportedAttempt& attempt,
                  const std::string& statistics_file);

  // `with_layers` fills Report.layers, here and below.
  std::optional<StoredReport> find(const SeriesKey& key, bool with_classes,
                                   bool with_layers = false);
  std::optional<ReportedAttempt> find_attempt(const SeriesKey& key);
  std::optional<StatisticsRecord> find_statistics(const SeriesKey& key);

  // By epoch, split and layer, those after `after`; at most `limit`, and as many as fit `max_bytes`
  // (at least one).
  struct Page {
    std::vector<StoredReport> reports;
    bool more = false;
  };
  Page list(const ReportFilter& filter, const std::optional<SeriesKey>& after, size_t limit,
            size_t max_bytes, bool with_classes, bool with_layers = false);
  // In the order of reporting, ids in (after, last]; a run or, where empty, all. As many as list().
  std::vector<StoredReport> list_by_id(const std::string& run, int64_t after, int64_t last,
                                       size_t limit, size_t max_bytes, bool with_classes,
                                       bool with_layers = false);
  int64_t last_id();

  // The other layers of the same run, epoch and split, ascending by depth, then name.
  std::vector<v1::LayerReport> layers(const SeriesKey& key);

  // The reports of the same run, split and layer at lower epochs, ascending.
  std::vector<HistoryPoint> history(const SeriesKey& key);
  // The first epoch of the run, split and layer, up to that of `key`, with such a value.
  std::optional<uint32_t> first_epoch(const SeriesKey& key, const char* metric, double value);

  // Newest first, those whose newest report is older than id `before`.
  std::vector<StoredRun> list_runs(int64_t before, size_t limit);
  bool has_run(const std::string& run);

  struct Deleted {
    uint64_t reports = 0;
    std::vector<std::string> files;  // statistics of the run
  };
  Deleted delete_run(const std::string& run);

  // Files that reports refer to.
  std::vector<std::string> statistics_files();

 private:
  std::mutex mutex_;
  Database database_;
};

}  // namespace ncscope::server
