#include "server/storage/sqlite.h"

#include <sqlite3.h>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

[[noreturn]] void throw_sqlite_error(sqlite3* handle, int result) {
  const std::string text = std::string("report store: ") +
                           (handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(result));
  switch (result & 0xff) {
    case SQLITE_FULL:
      throw ResourceExhausted(text + "; make room in the data folder and try again");
    case SQLITE_NOMEM:
      throw OutOfMemory(text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw DataLoss(text);
    default:
      throw Error(text);
  }
}

}  // namespace

void Database::Closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
void SqlStatement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Database::Database(const std::filesystem::path& path) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);
  if (result != SQLITE_OK) throw_sqlite_error(handle, result);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5'000);
  execute("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = FULL");
  execute("PRAGMA foreign_keys = ON");
}

void Database::execute(const char* sql) {
  const int result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) throw_sqlite_error(handle_.get(), result);
}

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

SqlStatement::SqlStatement(Database& database, const char* sql) : database_(&database) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(database.handle(), sql, -1, &statement, nullptr);
  statement_.reset(statement);
  check(result);
}

void SqlStatement::check(int result) const {
  if (result != SQLITE_OK) throw_sqlite_error(database_->handle(), result);
}

SqlStatement& SqlStatement::bind(int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), ++bound_, value));
  return *this;
}

SqlStatement& SqlStatement::bind_real(double value) {
  check(sqlite3_bind_double(statement_.get(), ++bound_, value));
  return *this;
}

SqlStatement& SqlStatement::bind(std::string_view text) {
  check(sqlite3_bind_text64(statement_.get(), ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
  return *this;
}

SqlStatement& SqlStatement::bind_blob(std::string_view bytes) {
  // A null pointer would bind NULL.
  const void* data = bytes.empty() ? "" : bytes.data();
  check(sqlite3_bind_blob64(statement_.get(), ++bound_, data, bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

SqlStatement& SqlStatement::bind_null() {
  check(sqlite3_bind_null(statement_.get(), ++bound_));
  return *this;
}

bool SqlStatement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  throw_sqlite_error(database_->handle(), result);
}

void SqlStatement::run() {
  while (step()) {
  }
}

int64_t SqlStatement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double SqlStatement::real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string SqlStatement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int bytes = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const char*>(data), static_cast<size_t>(bytes)};
}

bool SqlStatement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Transaction::Transaction(Database& database) : database_(&database) {
  database.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // A failed commit may have rolled back already; there is nobody to tell here.
  if (open_) sqlite3_exec(database_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_->execute("COMMIT");
  open_ = false;
}

}  // namespace ncscope::server
