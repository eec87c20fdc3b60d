// The part of ReportStore that reads reports back.
#include <algorithm>

#include "server/core/errors.h"
#include "server/storage/report_store.h"

namespace ncscope::server {
namespace {

v1::LayerReport layer_of(v1::Report&& report, uint32_t depth) {
  v1::LayerReport layer;
  layer.set_layer(report.key().layer());
  layer.set_depth(depth);
  layer.set_dim(report.data().dim());
  if (report.has_nc1()) layer.mutable_nc1()->Swap(report.mutable_nc1());
  if (report.nc2().has_means()) {
    layer.mutable_nc2()->mutable_means()->Swap(report.mutable_nc2()->mutable_means());
  }
  if (report.has_nc3()) layer.mutable_nc3()->Swap(report.mutable_nc3());
  if (report.has_nc4()) layer.mutable_nc4()->Swap(report.mutable_nc4());
  if (report.has_spectrum()) layer.mutable_spectrum()->Swap(report.mutable_spectrum());
  return layer;
}

std::vector<v1::LayerReport> read_layers(Database& database, const SeriesKey& key) {
  SqlStatement query(database,
                     "SELECT id, report, open FROM reports"
                     " WHERE run = ? AND epoch = ? AND split = ? AND layer <> ? ORDER BY layer");
  query.bind(key.run).bind(key.epoch).bind(key.split).bind(key.layer);
  std::vector<v1::LayerReport> layers;
  while (query.step()) {
    v1::Report report;
    v1::Open open;
    if (!report.ParseFromString(query.text(1)) || !open.ParseFromString(query.text(2))) {
      throw DataLoss("report store: report " + std::to_string(query.integer(0)) +
                     " cannot be read");
    }
    layers.push_back(layer_of(std::move(report), open.depth()));
  }
  std::ranges::stable_sort(layers, {}, &v1::LayerReport::depth);
  return layers;
}

// Column 0 is the id, 1 the report; the per-class table is read by a statement of its own.
class ReportReader {
 public:
  ReportReader(Database& database, bool with_classes, bool with_layers)
      : database_(&database), with_classes_(with_classes), with_layers_(with_layers) {}

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
    if (with_layers_) {
      for (v1::LayerReport& layer : read_layers(*database_, parse_key(stored.report.key()))) {
        read_bytes_ += layer.ByteSizeLong();
        stored.report.add_layers()->Swap(&layer);
      }
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
  bool with_layers_;
  size_t read_bytes_ = 0;
};

}  // namespace

std::vector<v1::LayerReport> ReportStore::layers(const SeriesKey& key) {
  const std::lock_guard lock(mutex_);
  return read_layers(database_, key);
}

std::vector<HistoryPoint> ReportStore::history(const SeriesKey& key) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT epoch, metric, value FROM reports LEFT JOIN report_values"
                     " ON report_id = id WHERE run = ? AND split = ? AND layer = ? AND epoch < ?"
                     " ORDER BY epoch");
  query.bind(key.run).bind(key.split).bind(key.layer).bind(key.epoch);
  const auto metrics = history_metrics();
  std::vector<HistoryPoint> points;
  while (query.step()) {
    const auto epoch = static_cast<uint32_t>(query.integer(0));
    if (points.empty() || points.back().epoch != epoch) {
      points.push_back({epoch, MetricValues(metrics.size())});
    }
    if (query.is_null(1)) continue;  // a report without values
    const std::string metric = query.text(1);
    const auto found = std::ranges::find(metrics, metric, &HistoryMetric::path);
    if (found == metrics.end()) continue;
    points.back().values[static_cast<size_t>(found - metrics.begin())] = query.real(2);
  }
  return points;
}

std::optional<uint32_t> ReportStore::first_epoch(const SeriesKey& key, const char* metric,
                                                 double value) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT MIN(epoch) FROM reports JOIN report_values ON report_id = id"
                     " WHERE run = ? AND split = ? AND layer = ? AND epoch <= ?"
                     " AND metric = ? AND value = ?");
  query.bind(key.run).bind(key.split).bind(key.layer).bind(key.epoch).bind(metric).bind_real(value);
  if (!query.step() || query.is_null(0)) return std::nullopt;
  return static_cast<uint32_t>(query.integer(0));
}

std::optional<StoredReport> ReportStore::find(const SeriesKey& key, bool with_classes,
                                              bool with_layers) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT id, report FROM reports"
                     " WHERE run = ? AND epoch = ? AND split = ? AND layer = ?");
  query.bind(key.run).bind(key.epoch).bind(key.split).bind(key.layer);
  if (!query.step()) return std::nullopt;
  return ReportReader(database_, with_classes, with_layers).read(query);
}

ReportStore::Page ReportStore::list(const ReportFilter& filter,
                                    const std::optional<SeriesKey>& after, size_t limit,
                                    size_t max_bytes, bool with_classes, bool with_layers) {
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
  ReportReader reader(database_, with_classes, with_layers);
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
                                                  bool with_classes, bool with_layers) {
  const std::lock_guard lock(mutex_);
  SqlStatement query(database_,
                     "SELECT id, report FROM reports WHERE id > ? AND id <= ?"
                     " AND (? = '' OR run = ?) ORDER BY id LIMIT ?");
  query.bind(after).bind(last).bind(run).bind(run).bind(static_cast<int64_t>(limit));
  std::vector<StoredReport> reports;
  ReportReader reader(database_, with_classes, with_layers);
  while (query.step()) {
    StoredReport report = reader.read(query);
    if (!reports.empty() && reader.read_bytes() > max_bytes) break;
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace ncscope::server
