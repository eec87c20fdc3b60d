#include "server/storage/schema.h"

#include <string>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

constexpr int64_t kSchemaVersion = 1;

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

}  // namespace

void prepare_schema(Database& database) {
  Transaction transaction(database);
  SqlStatement query(database, "PRAGMA user_version");
  query.step();
  const int64_t version = query.integer(0);
  if (version == 0) {
    database.execute(kTables);
  } else if (version != kSchemaVersion) {
    throw Error("report store: expected schema version " + std::to_string(kSchemaVersion) +
                ", got " + std::to_string(version));
  }
  while (query.step()) {
  }
  transaction.commit();
}

}  // namespace ncscope::server
