#include "server/core/engine.h"

#include <spdlog/spdlog.h>

#include <set>
#include <utility>

#include "server/core/errors.h"
#include "server/core/reported_session.h"

namespace ncscope::server {

Engine::Engine(Services& services, std::chrono::seconds idle_series_timeout)
    : services_(services), idle_series_timeout_(idle_series_timeout), registry_(services) {
  const auto files = services_.reports.statistics_files();
  const std::set<std::string> known(files.begin(), files.end());
  for (const auto& entry : std::filesystem::directory_iterator(services_.statistics_folder)) {
    if (known.contains(entry.path().filename().string())) continue;
    std::error_code ignored;
    std::filesystem::remove(entry.path(), ignored);
  }
  restore_series();
  held_watch_ = std::jthread([this](const std::stop_token& stop) { watch_held(stop); });
}

Engine::~Engine() = default;

void Engine::require_accepting() const {
  services_.devices.require_usable();
  if (draining_) throw Unavailable("the server is shutting down; try again");
}

template <class Action>
auto Engine::with_room(const SeriesKey& key, const Action& action) {
  while (true) {
    try {
      return action();
    } catch (const BeyondBudget&) {
      throw;
    } catch (const BudgetExhausted& error) {
      if (!take_room(key, &error.budget()) &&
          !registry_.drop_idlest(idle_series_timeout_, key, &error.budget())) {
        throw;
      }
    } catch (const ResourceExhausted&) {  // too many series
      if (!take_room(key, nullptr) && !registry_.drop_idlest(idle_series_timeout_, key)) throw;
    }
  }
}

// A stream into a series that is not reported yet.
class SeriesSession : public Session {
 public:
  SeriesSession(Engine& engine, std::shared_ptr<Series> series, const BatchSpec& batches,
                uint32_t rank, uint64_t id, uint64_t next_sequence)
      : engine_(engine),
        activity_(engine.active_),
        series_(std::move(series)),
        batch_spec_(batches),
        rank_(rank),
        id_(id),
        next_sequence_(next_sequence) {}
  ~SeriesSession() override { series_->detach(rank_, id_); }

  const BatchSpec& batch_spec() const override { return batch_spec_; }
  uint64_t next_sequence() const override { return next_sequence_; }

  uint64_t add_batch(const IncomingBatch& batch) override {
    engine_.services_.devices.require_usable();
    while (true) {
      try {
        const uint64_t received = series_->add_batch(rank_, id_, batch);
        next_sequence_ = received + 1;
        return received;
      } catch (const BudgetExhausted& error) {
        // Without dropping a series: the disk or another budget may refuse the batch next.
        if (!engine_.take_room(series_->key(), &error.budget())) throw;
      }
    }
  }

  bool tells_durable() const override { return series_->is_logged(); }

  std::optional<uint64_t> durable_sequence() const override {
    return series_->durable_sequence(rank_);
  }

  bool is_over() const override { return series_->is_over(rank_, id_); }
  void require_going() const override { series_->require_going(rank_, id_); }

  void on_durable(std::function<void()> changed) override {
    series_->on_durable(rank_, id_, std::move(changed));
  }

  void add_classifier(const ClassifierPart& part) override {
    engine_.with_room(series_->key(), [&] { series_->add_classifier(rank_, id_, part); });
  }

  CloseResult close(uint64_t batches, bool partial) override {
    engine_.services_.devices.require_usable();
    series_->close(rank_, id_, batches, partial);
    return engine_.finish(series_);
  }

 private:
  Engine& engine_;
  const Activity activity_;
  const std::shared_ptr<Series> series_;
  const BatchSpec batch_spec_;
  const uint32_t rank_;
  const uint64_t id_;
  uint64_t next_sequence_;
};

Reservation Engine::reserve(size_t bytes, const std::string& purpose, const SeriesKey& key) {
  return with_room(key, [&] { return services_.memory.reserve(bytes, purpose); });
}

std::unique_ptr<Session> Engine::open(const v1::Open& open) {
  const Activity opening(active_);  // until the session counts itself
  require_accepting();
  return with_room(parse_key(open.key()), [&] { return open_once(open); });
}

std::unique_ptr<Session> Engine::open_once(const v1::Open& open) {
  const SeriesKey key = parse_key(open.key());
  const SeriesSpec spec = parse_series_spec(open, services_.limits);
  const BatchSpec batches = parse_batch_spec(open);
  while (true) {
    auto found = registry_.find_or_make(key, open, spec);
    if (auto* reported = std::get_if<ReportedAttempt>(&found)) {
      return std::make_unique<ReportedSession>(services_, key, std::move(*reported), open);
    }
    const auto series = std::get<std::shared_ptr<Series>>(found);
    const uint64_t id = ++sessions_;
    try {
      if (const auto next = series->attach(open.rank(), spec, batches, id)) {
        return std::make_unique<SeriesSession>(*this, series, batches, open.rank(), id, *next);
      }
    } catch (...) {
      if (series->drop_if_unused()) registry_.remove(series);
      throw;
    }
    // Dropped between the two steps; whoever did so has put another one in its place or none.
    registry_.remove(series);
  }
}

CloseResult Engine::close_with_state(const SeriesKey& key, const v1::Open& open,
                                     const SeriesSpec& spec, StatisticsBundle bundle,
                                     uint32_t digest, Reservation memory) {
  services_.devices.require_usable();
  while (true) {
    auto found = with_room(key, [&] { return registry_.find_or_make(key, open, spec); });
    if (auto* reported = std::get_if<ReportedAttempt>(&found)) {
      return repeat_state(services_, key, *reported, open, digest);
    }
    const auto series = std::get<std::shared_ptr<Series>>(found);
    try {
      if (series->close_with_state(open.rank(), spec, std::move(bundle), digest,
                                   std::move(memory))) {
        return finish(series);
      }
    } catch (...) {
      if (series->drop_if_unused()) registry_.remove(series);
      throw;
    }
    registry_.remove(series);
  }
}

v1::DeleteRunResponse Engine::delete_run(const v1::DeleteRunRequest& request) {
  check_run_name(request.run());
  const size_t dropped = registry_.drop_run(request.run());
  const ReportStore::Deleted deleted = services_.reports.delete_run(request.run());
  if (dropped == 0 && deleted.reports == 0) throw NotFound("no run '" + request.run() + "'");
  remove_statistics(deleted.files);
  spdlog::info("deleted run '{}': {} reports, {} open series", request.run(), deleted.reports,
               dropped);
  v1::DeleteRunResponse response;
  response.set_deleted_reports(deleted.reports);
  return response;
}

void Engine::remove_statistics(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    std::error_code ignored;  // removed at the next start
    std::filesystem::remove(services_.statistics_folder / file, ignored);
  }
}

void Engine::begin_drain() {
  draining_ = true;
  services_.hub.close();
}

void Engine::stop() {
  stopped_ = true;
  held_watch_.request_stop();
  begin_drain();
}

}  // namespace ncscope::server
