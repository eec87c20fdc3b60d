// The tables of the report store.
#pragma once

#include "server/storage/sqlite.h"

namespace ncscope::server {

// Creates the tables in a new file. Throws Error for a file of another schema version.
void prepare_schema(Database& database);

}  // namespace ncscope::server
