// libFuzzer target: a server that starts on the logs of an epoch. What it goes on from, and what
// it reports, is what the sound records say; a second start finds the same.
#include <google/protobuf/stubs/logging.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "kernels/accumulator.h"
#include "kernels/backend.h"
#include "kernels/errors.h"
#include "proto/convert/statistics_file.h"
#include "server/core/engine.h"
#include "server/log/reader.h"
#include "server/storage/data_folder.h"
#include "tests/fuzz/epoch_log_bytes.h"
#include "tests/support/arrays.h"

namespace ncscope::fuzz {
namespace {

using server::RecordType;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "epoch_restore: %s\n", what);
  std::abort();
}

bool is_state(RecordType type) {
  return type == RecordType::kState || type == RecordType::kDecided;
}

// Small, so that no input takes much memory.
server::Limits limits() {
  server::Limits limits;
  limits.max_classes = 16;
  limits.max_dim = 16;
  limits.max_world_size = 4;
  limits.state_memory_bytes = size_t{64} << 20;
  limits.durability = server::Durability::kOs;
  return limits;
}

// What all inputs share.
struct Shared {
  Shared() { spdlog::set_level(spdlog::level::off); }

  testing::TemporaryFolder folder;
  server::DataFolder data{folder / "data"};
  server::Services services{limits(),
                            [] { return make_device({.backend = Backend::kCpu}); },
                            2,
                            data.spool(),
                            data.log(),
                            data.database(),
                            data.statistics()};
};

// A state of three classes and two dimensions, as a rank may contribute one.
std::string state_bytes(const std::filesystem::path& path, bool decided) {
  const std::vector<float> features = {1, 0, 0, 1, 1, 1, 2, 0, 0, 2, 2, 2};
  const std::vector<int32_t> labels = {0, 1, 2, 0, 1, 2};
  const auto device = make_device({.backend = Backend::kCpu});
  Accumulator accumulator(*device, 3, 2, DType::kFloat32);
  accumulator.add(*device, {features.data(), DType::kFloat32, 6, 2, labels.data(), nullptr});
  StatisticsBundle bundle;
  bundle.statistics = accumulator.finish(*device);
  if (decided) bundle.decisions = CountedDecisions{0, {2, 1, 0}, {1, 1, 0}, {1, 2, 0}};
  save_statistics(path, bundle);
  return testing::read_file(path);
}

void write_state(const std::filesystem::path& path, bool decided) {
  static const std::string plain = state_bytes(path, false);
  static const std::string counted = state_bytes(path, true);
  testing::write_file(path, decided ? counted : plain);
}

// Log by log: with several ranks, each opening begins the log of the next one.
std::vector<std::string> logs_of_ranks(const std::string& log) {
  std::vector<std::string> logs;
  size_t begin = 0;
  for (const SoundRecord& record : sound_records(log)) {
    if (record.type != RecordType::kOpen || record.place == 0) continue;
    logs.push_back(log.substr(begin, record.place - begin));
    begin = record.place;
  }
  logs.push_back(log.substr(begin));
  return logs;
}

struct RankLog {
  std::optional<v1::Open> open;
  uint64_t batches = 0;
  uint64_t samples = 0;  // of these
  bool sums = false;     // in place of samples, in a state or a checkpoint
};

// By the records that are left.
RankLog read_rank(const std::filesystem::path& path) {
  RankLog out;
  server::LogReader reader(path);
  while (const auto record = reader.next()) {
    if (record->type == RecordType::kOpen) {
      out.open.emplace();
      require(out.open->ParseFromArray(record->body.data(), static_cast<int>(record->body.size())),
              "an opening is left that cannot be read");
    } else if (record->type == RecordType::kCheckpoint) {
      const auto read = [&](uint64_t offset, void* bytes, size_t count) {
        reader.read_body(*record, offset, bytes, count);
      };
      out.batches = server::read_checkpoint(record->body_bytes, read).checksums.size();
      out.sums = true;
    } else if (record->type == RecordType::kBatch) {
      const auto spec = server::parse_batch_spec(*out.open);
      const auto found = server::parse_batch(record->body, spec.type, spec.dim);
      const Batch& batch = found.batch;
      out.samples += static_cast<uint64_t>(std::count_if(batch.labels, batch.labels + batch.rows,
                                                         [](int32_t label) { return label >= 0; }));
      ++out.batches;
    }
    out.sums = out.sums || is_state(record->type);
  }
  require(reader.damage().empty(), "a restart has left damage in a log");
  return out;
}

// What the first start leaves must be what the second finds.
struct Found {
  std::vector<uint64_t> batches;  // of each rank that has streamed
  uint64_t samples = 0;
  bool sums = false;
  v1::SeriesKey key;
};

bool is_broken(const v1::ListSeriesResponse::Series& series, uint32_t rank) {
  return std::ranges::any_of(series.missing(), [&](const auto& missing) {
    return missing.rank() == rank && !missing.broken().empty();
  });
}

// Opens each rank as a trainer does that goes on.
std::vector<std::unique_ptr<server::Session>> go_on(server::Engine& engine,
                                                    const std::filesystem::path& log,
                                                    Found& found) {
  std::vector<std::unique_ptr<server::Session>> sessions;
  const v1::ListSeriesResponse streamed = engine.list_series({});
  if (streamed.series().empty()) return sessions;
  for (uint32_t rank = 0; rank < streamed.series(0).world_size(); ++rank) {
    const auto path = log / ("rank-" + std::to_string(rank) + ".log");
    if (!std::filesystem::exists(path)) continue;
    if (is_broken(streamed.series(0), rank)) {  // of another device
      found.sums = true;
      continue;
    }
    const RankLog left = read_rank(path);
    found.samples += left.samples;
    found.sums = found.sums || left.sums;
    if (!left.open) continue;
    found.key = left.open->key();
    if (left.open->data_type() == v1::DATA_TYPE_UNSPECIFIED) continue;
    sessions.push_back(engine.open(*left.open));
    found.batches.push_back(sessions.back()->next_sequence());
    require(found.batches.back() == left.batches, "a rank goes on elsewhere than its log ends");
  }
  return sessions;
}

// Ends the epoch; its report has the samples that the logs hold.
void report(server::Engine& engine, std::vector<std::unique_ptr<server::Session>> sessions,
            const Found& found) {
  std::shared_ptr<const v1::Report> report;
  for (const auto& session : sessions) {
    try {
      report = session->close(session->next_sequence(), false).report;
    } catch (const Error&) {
    }
  }
  sessions.clear();
  v1::ReportPartialRequest request;
  *request.mutable_key() = found.key;
  if (!report) {
    try {
      report = std::make_shared<v1::Report>(engine.report_partial(request).report());
    } catch (const Error&) {
      return;
    }
  }
  if (!found.sums && report->has_data()) {
    require(report->data().samples() == found.samples, "a report has other samples than the logs");
  }
}

// Null where what was logged does not fit the server: it says what it expected and in which folder,
// and nothing else keeps it from starting.
std::unique_ptr<server::Engine> start(Shared& shared) {
  try {
    return std::make_unique<server::Engine>(shared.services, std::chrono::hours(1));
  } catch (const Error& error) {
    const std::string_view why = error.what();
    const auto has = [&](std::string_view text) { return why.find(text) != why.npos; };
    const bool is_refusal = has("/log/1-0") && (has("expected ") || has("--state-memory") ||
                                                has("is of a newer version"));
    require(is_refusal, error.what());
    return nullptr;
  }
}

void restart_on(Shared& shared, const std::vector<std::string>& logs) {
  const auto folder = shared.data.log() / "1-0";
  std::filesystem::create_directory(folder);
  for (size_t rank = 0; rank < logs.size(); ++rank) {
    const std::string name = "rank-" + std::to_string(rank);
    testing::write_file(folder / (name + ".log"), logs[rank]);
    for (const SoundRecord& record : sound_records(logs[rank])) {
      if (!is_state(record.type)) continue;
      write_state(folder / (name + ".ncstats"), record.type == RecordType::kDecided);
    }
  }
  Found first;
  {
    const auto engine = start(shared);
    if (!engine || engine->registry().size() == 0) return;  // nothing says what the logs are of
    go_on(*engine, folder, first);
  }
  Found second;
  const auto engine = start(shared);
  if (!engine) {
    // The log of a rank that the series does not have is the only one that says something now.
    return require(first.samples == 0 && !first.sums, "a second start loses samples");
  }
  auto sessions = go_on(*engine, folder, second);
  require(first.batches == second.batches && first.samples == second.samples,
          "a second start finds something else");
  report(*engine, std::move(sessions), second);
  v1::DeleteRunRequest request;
  request.set_run(second.key.run());
  engine->delete_run(request);
}

void clean(Shared& shared) {
  for (const auto& entry : std::filesystem::directory_iterator(shared.data.log())) {
    std::filesystem::remove_all(entry.path());
  }
}

}  // namespace
}  // namespace ncscope::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(quiet);
  static ncscope::fuzz::Shared shared;
  const auto logs = ncscope::fuzz::logs_of_ranks(ncscope::fuzz::log_of(data, size));
  try {
    ncscope::fuzz::restart_on(shared, logs);
  } catch (const ncscope::Error&) {
  }
  ncscope::fuzz::clean(shared);
  return 0;
}
