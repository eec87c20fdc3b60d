// The part of Engine that takes up what an earlier server has logged.
#include <spdlog/spdlog.h>

#include "server/core/engine.h"
#include "server/core/errors.h"
#include "server/log/reader.h"

namespace ncscope::server {
namespace {

// What any of the ranks has opened.
std::optional<v1::Open> opened(const SeriesLog& log) {
  for (const auto& entry : std::filesystem::directory_iterator(log.folder())) {
    if (entry.path().extension() != ".log") continue;
    LogReader reader(entry.path());
    const auto first = reader.next();
    v1::Open open;
    if (!first || first->type != RecordType::kOpen) continue;
    if (open.ParseFromArray(first->body.data(), static_cast<int>(first->body.size()))) return open;
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
  const auto series = std::make_shared<Series>(
      key, *open, parse_series_spec(*open, services_.limits), log, services_);
  if (!registry_.adopt(series)) {
    log->remove(false);
    return;
  }
  try {
    series->restore();
  } catch (const Error& error) {
    throw Error("cannot restore " + describe(key) + ", attempt " + std::to_string(open->attempt()) +
                ", from " + log->folder().string() + ": " + error.what());
  }
  spdlog::info("restored {}, attempt {}", describe(key), open->attempt());
}

}  // namespace ncscope::server
