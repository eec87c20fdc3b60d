#include "server/storage/report_store.h"

#include <google/protobuf/util/time_util.h>

#include <bit>
#include <cstring>

#include "server/core/errors.h"
#include "server/storage/schema.h"

namespace ncscope::server {
namespace {

using google::protobuf::util::TimeUtil;

static_assert(std::endian::native == std::endian::little, "checksums are stored little-endian");

std::string_view checksum_bytes(const std::vector<uint32_t>& checksums) {
  return {reinterpret_cast<const char*>(checksums.data()), checksums.size() * sizeof(uint32_t)};
}

std::vector<uint32_t> checksums_from(const std::string& bytes) {
  std::vector<uint32_t> out(bytes.size() / sizeof(uint32_t));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(uint32_t));
  return out;
}

void bind_digest(SqlStatement& statement, const std::optional<uint32_t>& digest) {
  if (digest) {
    statement.bind(int64_t{*digest});
  } else {
    statement.bind_null();
  }
}

std::optional<uint32_t> read_digest(const SqlStatement& statement, int column) {
  if (statement.is_null(column)) return std::nullopt;
  return static_cast<uint32_t>(statement.integer(column));
}

SqlStatement& bind_key(SqlStatement& statement, const v1::SeriesKey& key) {
  return statement.bind(key.run()).bind(key.epoch()).bind(key.split()).bind(key.layer());
}

SqlStatement& bind_key(SqlStatement& statement, const SeriesKey& key) {
  return statement.bind(key.run).bind(key.epoch).bind(key.split).bind(key.layer);
}

// The id that a report of this key has, if any.
std::optional<int64_t> find_report_id(Database& database, const v1::SeriesKey& key) {
  SqlStatement query(
      database, "SELECT id FROM reports WHERE run = ? AND epoch = ? AND split = ? AND layer = ?");
  if (!bind_key(query, key).step()) return std::nullopt;
  return query.integer(0);
}

int64_t insert_report(Database& database, const v1::Report& report,
                      const ReportedAttempt& attempt) {
  v1::Report rest = report;
  v1::Report classes;
  classes.mutable_classes()->Swap(rest.mutable_classes());
  SqlStatement insert(database,
                      "INSERT INTO reports (run, epoch, split, layer, attempt, created_at, open,"
                      " weight_digest, bias_digest, report) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  bind_key(insert, report.key())
      .bind(report.attempt())
      .bind(TimeUtil::TimestampToNanoseconds(report.created_at()))
      .bind_blob(attempt.open.SerializeAsString());
  bind_digest(insert, attempt.weight_digest);
  bind_digest(insert, attempt.bias_digest);
  insert.bind_blob(rest.SerializeAsString()).run();
  const int64_t id = database.last_insert_id();
  SqlStatement(database, "INSERT INTO report_classes (report_id, classes) VALUES (?, ?)")
      .bind(id)
      .bind_blob(classes.SerializeAsString())
      .run();
  insert_values(database, id, report);
  for (const RankContent& rank : attempt.ranks) {
    SqlStatement row(
        database,
        "INSERT INTO report_ranks (report_id, rank, checksums, state_digest) VALUES (?, ?, ?, ?)");
    row.bind(id).bind(rank.rank).bind_blob(checksum_bytes(rank.checksums));
    bind_digest(row, rank.state_digest);
    row.run();
  }
  return id;
}

std::optional<StatisticsRecord> read_statistics(Database& database, const std::string& run,
                                                const std::string& split,
                                                const std::string& layer) {
  SqlStatement query(database,
                     "SELECT epoch, attempt, file FROM statistics"
                     " WHERE run = ? AND split = ? AND layer = ?");
  if (!query.bind(run).bind(split).bind(layer).step()) return std::nullopt;
  return StatisticsRecord{static_cast<uint32_t>(query.integer(0)),
                          static_cast<uint32_t>(query.integer(1)), query.text(2)};
}

}  // namespace

ReportStore::ReportStore(const std::filesystem::path& path) : database_(path) {
  prepare_schema(database_);
}

ReportStore::Inserted ReportStore::insert(const v1::Report& report, const ReportedAttempt& attempt,
                                          const std::string& statistics_file) {
  const std::lock_guard lock(mutex_);
  const v1::SeriesKey& key = report.key();
  Transaction transaction(database_);
  if (const auto old = find_report_id(database_, key)) {
    SqlStatement(database_, "DELETE FROM reports WHERE id = ?").bind(*old).run();
  }
  Inserted inserted;
  inserted.id = insert_report(database_, report, attempt);
  if (auto old = read_statistics(database_, key.run(), key.split(), key.layer())) {
    inserted.obsolete_file = std::move(old->file);
  }
  SqlStatement(database_,
               "INSERT OR REPLACE INTO statistics (run, split, layer, epoch, attempt, file)"
               " VALUES (?, ?, ?, ?, ?, ?)")
      .bind(key.run())
      .bind(key.split())
      .bind(key.layer())
      .bind(key.epoch())
      .bind(report.attempt())
      .bind(statistics_file)
      .run();
  transaction.commit();
  return inserted;
}

std::optional<ReportedAttempt> ReportStore::find_attempt(const SeriesKey& key) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT id, attempt, open, weight_digest, bias_digest FROM reports"
                     " WHERE run = ? AND epoch = ? AND split = ? AND layer = ?");
  if (!bind_key(query, key).step()) return std::nullopt;
  ReportedAttempt attempt;
  attempt.attempt = static_cast<uint32_t>(query.integer(1));
  if (!attempt.open.ParseFromString(query.text(2))) throw DataLoss("report store: bad Open");
  attempt.weight_digest = read_digest(query, 3);
  attempt.bias_digest = read_digest(query, 4);
  SqlStatement ranks(database_,
                     "SELECT rank, checksums, state_digest FROM report_ranks WHERE report_id = ?"
                     " ORDER BY rank");
  ranks.bind(query.integer(0));
  while (ranks.step()) {
    attempt.ranks.push_back({static_cast<uint32_t>(ranks.integer(0)), checksums_from(ranks.text(1)),
                             read_digest(ranks, 2)});
  }
  return attempt;
}

std::optional<StatisticsRecord> ReportStore::find_statistics(const SeriesKey& key) {
  const std::lock_guard lock(mutex_);
  return read_statistics(database_, key.run, key.split, key.layer);
}

int64_t ReportStore::last_id() {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_, "SELECT COALESCE(MAX(id), 0) FROM reports");
  query.step();
  return query.integer(0);
}

std::vector<StoredRun> ReportStore::list_runs(int64_t before, size_t limit) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT run, COUNT(*), MIN(epoch), MAX(epoch), MAX(id), MAX(created_at)"
                     " FROM reports GROUP BY run HAVING MAX(id) < ? ORDER BY MAX(id) DESC LIMIT ?");
  query.bind(before).bind(static_cast<int64_t>(limit));
  std::vector<StoredRun> runs;
  while (query.step()) {
    StoredRun& stored = runs.emplace_back();
    stored.run.set_run(query.text(0));
    stored.run.set_reports(static_cast<uint64_t>(query.integer(1)));
    stored.run.set_first_epoch(static_cast<uint32_t>(query.integer(2)));
    stored.run.set_last_epoch(static_cast<uint32_t>(query.integer(3)));
    stored.last_id = query.integer(4);
    *stored.run.mutable_updated_at() = TimeUtil::NanosecondsToTimestamp(query.integer(5));
  }
  return runs;
}

bool ReportStore::has_run(const std::string& run) {
  const std::lock_guard lock(mutex_);
  return SqlStatement(database_, "SELECT 1 FROM reports WHERE run = ? LIMIT 1").bind(run).step();
}

ReportStore::Deleted ReportStore::delete_run(const std::string& run) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(database_);
  Deleted deleted;
  SqlStatement files(database_, "SELECT file FROM statistics WHERE run = ?");
  files.bind(run);
  while (files.step()) deleted.files.push_back(files.text(0));
  SqlStatement(database_, "DELETE FROM statistics WHERE run = ?").bind(run).run();
  SqlStatement(database_, "DELETE FROM reports WHERE run = ?").bind(run).run();
  deleted.reports = static_cast<uint64_t>(database_.changes());
  transaction.commit();
  return deleted;
}

std::vector<std::string> ReportStore::statistics_files() {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_, "SELECT file FROM statistics");
  std::vector<std::string> files;
  while (query.step()) files.push_back(query.text(0));
  return files;
}

}  // namespace ncscope::server
