#include "server/storage/schema.h"

#include <spdlog/spdlog.h>

#include <string>

#include "server/core/errors.h"
#include "server/storage/history.h"

namespace ncscope::server {
namespace {

constexpr int64_t kSchemaVersion = 3;

// The per-class tables are apart from the rest of a report, so that lists need not read them; both
// blobs together are the serialised Report.
constexpr const char* kTables = R"sql(
CREATE TABLE reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  split TEXT NOT NULL,
  layer TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  created_at INTEGER NOT NULL,  -- nanoseconds since 1970
  open BLOB NOT NULL,
  weight_digest INTEGER,
  bias_digest INTEGER,
  report BLOB NOT NULL,
  UNIQUE (run, epoch, split, layer)
);
CREATE TABLE report_classes (
  report_id INTEGER PRIMARY KEY REFERENCES reports (id) ON DELETE CASCADE,
  classes BLOB NOT NULL
);
CREATE TABLE report_ranks (
  report_id INTEGER NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
  rank INTEGER NOT NULL,
  checksums BLOB NOT NULL,  -- uint32 little-endian, one for each batch
  state_digest INTEGER,
  PRIMARY KEY (report_id, rank)
) WITHOUT ROWID;
CREATE TABLE statistics (
  run TEXT NOT NULL,
  split TEXT NOT NULL,
  layer TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  file TEXT NOT NULL,
  PRIMARY KEY (run, split, layer)
) WITHOUT ROWID;
PRAGMA user_version = 1;
)sql";

// The values of history.h, so that the history of a run is read without its reports.
constexpr const char* kHistory = R"sql(
CREATE INDEX reports_by_series ON reports (run, split, layer, epoch);
CREATE TABLE report_values (
  report_id INTEGER NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
  metric TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (report_id, metric)
) WITHOUT ROWID;
PRAGMA user_version = 2;
)sql";

// A state names the attempt that it is of, as its report does.
constexpr const char* kStateAttempts = R"sql(
ALTER TABLE statistics ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
UPDATE statistics SET attempt = COALESCE(
  (SELECT reports.attempt FROM reports
   WHERE reports.run = statistics.run AND reports.split = statistics.split
     AND reports.layer = statistics.layer AND reports.epoch = statistics.epoch), 0);
PRAGMA user_version = 3;
)sql";

// The values of the reports that are there; one that cannot be read has none.
void fill_history(Database& database) {
  SqlStatement reports(database, "SELECT id, report FROM reports");
  while (reports.step()) {
    v1::Report report;
    if (!report.ParseFromString(reports.text(1))) {
      spdlog::error("report store: report {} cannot be read, it has no history",
                    reports.integer(0));
      continue;
    }
    insert_values(database, reports.integer(0), report);
  }
}

}  // namespace

void insert_values(Database& database, int64_t report_id, const v1::Report& report) {
  const MetricValues values = metric_values(report);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    SqlStatement(database, "INSERT INTO report_values (report_id, metric, value) VALUES (?, ?, ?)")
        .bind(report_id)
        .bind(history_metrics()[i].path)
        .bind_real(*values[i])
        .run();
  }
}

void prepare_schema(Database& database) {
  Transaction transaction(database);
  SqlStatement query(database, "PRAGMA user_version");
  query.step();
  const int64_t version = query.integer(0);
  while (query.step()) {
  }
  if (version < 0 || version > kSchemaVersion) {
    throw Error("report store: expected schema version " + std::to_string(kSchemaVersion) +
                " or lower, got " + std::to_string(version));
  }
  if (version < 1) database.execute(kTables);
  if (version < 2) {
    database.execute(kHistory);
    fill_history(database);
  }
  if (version < 3) database.execute(kStateAttempts);
  transaction.commit();
}

}  // namespace ncscope::server
