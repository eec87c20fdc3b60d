// The part of ReportStore that reads reports back.
#include <array>

#include "server/core/errors.h"
#include "server/storage/report_store.h"

namespace ncscope::server {
namespace {

// Column 0 is the id, 1 the report; the per-class table is read by a statement of its own.
class ReportReader {
 public:
  ReportReader(Database& database, bool with_classes)
      : database_(&database), with_classes_(with_classes) {}

  StoredReport read(const SqlStatement& row) {
    StoredReport stored;
    stored.id = row.integer(0);
    std::string bytes = row.text(1);
    // Serialised messages that follow each other are one message.
    if (with_classes_) bytes += classes(stored.id);
    read_bytes_ += bytes.size();
    if (!stored.report.ParseFromString(bytes)) {
      throw DataLoss("report store: report " + std::to_string(stored.id) + " cannot be read");
    }
    return stored;
  }

  size_t read_bytes() const { return read_bytes_; }

 private:
  std::string classes(int64_t id) {
    SqlStatement query(*database_, "SELECT classes FROM report_classes WHERE report_id = ?");
    return query.bind(id).step() ? query.text(0) : std::string();
  }

  Database* database_;
  bool with_classes_;
  size_t read_bytes_ = 0;
};

}  // namespace

std::optional<StoredReport> ReportStore::find(const SeriesKey& key, bool with_classes) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT id, report FROM reports"
                     " WHERE run = ? AND epoch = ? AND split = ? AND layer = ?");
  query.bind(key.run).bind(key.epoch).bind(key.split).bind(key.layer);
  if (!query.step()) return std::nullopt;
  return ReportReader(database_, with_classes).read(query);
}

ReportStore::Page ReportStore::list(const ReportFilter& filter,
                                    const std::optional<SeriesKey>& after, size_t limit,
                                    size_t max_bytes, bool with_classes) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT id, report FROM reports WHERE run = ?"
                     " AND epoch BETWEEN ? AND ? AND (? = '' OR split = ?)"
                     " AND (? = '' OR layer = ?) AND (epoch, split, layer) > (?, ?, ?)"
                     " ORDER BY epoch, split, layer LIMIT ?");
  query.bind(filter.run)
      .bind(filter.min_epoch)
      .bind(filter.max_epoch.value_or(UINT32_MAX))
      .bind(filter.split)
      .bind(filter.split)
      .bind(filter.layer)
      .bind(filter.layer);
  if (after) {
    query.bind(after->epoch).bind(after->split).bind(after->layer);
  } else {
    query.bind(int64_t{-1}).bind("").bind("");
  }
  query.bind(static_cast<int64_t>(limit) + 1);
  Page page;
  ReportReader reader(database_, with_classes);
  while (query.step()) {
    page.more = page.reports.size() == limit;
    if (page.more) break;
    StoredReport report = reader.read(query);
    page.more = !page.reports.empty() && reader.read_bytes() > max_bytes;
    if (page.more) break;
    page.reports.push_back(std::move(report));
  }
  return page;
}

std::vector<StoredReport> ReportStore::list_by_id(const std::string& run, int64_t after,
                                                  int64_t last, size_t limit, size_t max_bytes,
                                                  bool with_classes) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT id, report FROM reports WHERE id > ? AND id <= ?"
                     " AND (? = '' OR run = ?) ORDER BY id LIMIT ?");
  query.bind(after).bind(last).bind(run).bind(run).bind(static_cast<int64_t>(limit));
  std::vector<StoredReport> reports;
  ReportReader reader(database_, with_classes);
  while (query.step()) {
    StoredReport report = reader.read(query);
    if (!reports.empty() && reader.read_bytes() > max_bytes) break;
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace ncscope::server
