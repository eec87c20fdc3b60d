// The tables of the report store.
#pragma once

#include "ncscope/v1/report.pb.h"
#include "server/storage/sqlite.h"

namespace ncscope::server {

// Creates the tables in a new file, or brings those of an older version up to date. Throws Error
// for a file of a newer one.
void prepare_schema(Database& database);

// Writes the values of a report that are kept apart from it.
void insert_values(Database& database, int64_t report_id, const v1::Report& report);

}  // namespace ncscope::server
