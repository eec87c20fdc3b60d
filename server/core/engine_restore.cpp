// The part of Engine that takes up what an earlier server has logged.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "server/core/engine.h"
#include "server/core/errors.h"
#include "server/log/reader.h"

namespace ncscope::server {
namespace {

// Whether a server can have logged `open` in `path`.
bool may_begin(const SeriesLog& log, const std::filesystem::path& path, const v1::Open& open) {
  if (path != log.rank_path(open.rank())) return false;
  try {
    parse_key(open.key());
    return true;
  } catch (const InvalidArgument&) {
    return false;
  }
}

struct Found {
  std::optional<v1::Open> open;  // of the first rank that says what it opened
  // No log got as far as its first record: whoever wrote them was killed and has promised nothing.
  bool just_begun = true;
};

Found look_into(const SeriesLog& log) {
  Found found;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(log.folder())) {
    if (entry.path().extension() == ".log") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  for (const auto& path : paths) {
    LogReader reader(path);
    const auto first = reader.next();
    if (!first && (reader.damage().empty() || reader.cut_short())) continue;
    found.just_begun = false;
    v1::Open open;
    if (!first || first->type != RecordType::kOpen) continue;
    if (!open.ParseFromArray(first->body.data(), static_cast<int>(first->body.size()))) continue;
    if (!may_begin(log, path, open)) continue;
    found.open = std::move(open);
    break;
  }
  return found;
}

}  // namespace

void Engine::restore_series() {
  for (const auto& log : services_.logs.found()) restore_series(log);
}

void Engine::restore_series(const std::shared_ptr<SeriesLog>& log) {
  const auto [open, just_begun] = look_into(*log);
  if (!open) return just_begun ? log->remove(false) : log->set_aside();
  const SeriesKey key = parse_key(open->key());
  const auto reported = services_.reports.find_attempt(key);
  if (reported && reported->attempt >= open->attempt()) {
    log->remove(false);
    return;
  }
  try {
    // What this server does not know stops it here: nothing is cut off that a newer one has logged.
    if (open->data_type() != v1::DATA_TYPE_UNSPECIFIED) parse_batch_spec(*open);
    const auto series = std::make_shared<Series>(
        key, *open, parse_series_spec(*open, services_.limits), log, services_);
    if (!registry_.adopt(series)) {
      log->remove(false);
      return;
    }
    series->restore();
  } catch (const Error& error) {
    throw Error("cannot restore " + describe(key) + ", attempt " + std::to_string(open->attempt()) +
                ", from " + log->folder().string() + ": " + error.what());
  }
  spdlog::info("restored {}, attempt {}", describe(key), open->attempt());
}

}  // namespace ncscope::server
