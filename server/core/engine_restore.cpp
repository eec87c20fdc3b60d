// The part of Engine that takes up what an earlier server has logged.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <vector>

#include "server/core/engine.h"
#include "server/core/errors.h"
#include "server/log/reader.h"

namespace ncscope::server {
namespace {

bool names_series(const v1::Open& open) {
  try {
    parse_key(open.key());
    return true;
  } catch (const InvalidArgument&) {
    return false;
  }
}

// What the first of the ranks has opened that says so.
std::optional<v1::Open> opened(const SeriesLog& log) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(log.folder())) {
    if (entry.path().extension() == ".log") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  for (const auto& path : paths) {
    LogReader reader(path);
    const auto first = reader.next();
    v1::Open open;
    if (!first || first->type != RecordType::kOpen) continue;
    if (!open.ParseFromArray(first->body.data(), static_cast<int>(first->body.size()))) continue;
    if (names_series(open)) return open;
  }
  return std::nullopt;
}

}  // namespace

void Engine::restore_series() {
  for (const auto& log : services_.logs.found()) restore_series(log);
}

void Engine::restore_series(const std::shared_ptr<SeriesLog>& log) {
  const std::optional<v1::Open> open = opened(*log);
  if (!open) {
    log->set_aside();
    return;
  }
  const SeriesKey key = parse_key(open->key());
  const auto reported = services_.reports.find_attempt(key);
  if (reported && reported->attempt >= open->attempt()) {
    log->remove(false);
    return;
  }
  try {
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
