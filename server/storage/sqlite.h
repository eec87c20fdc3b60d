// SQLite with exceptions: a connection and its statements. Not thread-safe; callers lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace ncscope::server {

class Database {
 public:
  // Opens or creates the file: WAL, synchronous = FULL, foreign keys. Throws Error.
  explicit Database(const std::filesystem::path& path);

  void execute(const char* sql);
  int64_t last_insert_id() const;
  int64_t changes() const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Closer> handle_;
};

// A prepared statement. Parameters are bound in order of the calls, columns counted from 0.
// Throws ResourceExhausted where the disk is full, DataLoss where the file is damaged, else Error.
class SqlStatement {
 public:
  SqlStatement(Database& database, const char* sql);

  SqlStatement& bind(int64_t value);
  SqlStatement& bind_real(double value);
  SqlStatement& bind(std::string_view text);
  SqlStatement& bind_blob(std::string_view bytes);
  SqlStatement& bind_null();

  // False after the last row.
  bool step();
  // Runs a statement that returns no rows.
  void run();

  int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;  // also of blobs
  bool is_null(int column) const;

 private:
  void check(int result) const;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  int bound_ = 0;
};

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database* database_;
  bool open_ = true;
};

}  // namespace ncscope::server
