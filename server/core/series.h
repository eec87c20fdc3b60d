// One attempt at one series: its ranks while they stream, then its report.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ncscope/v1/service.pb.h"
#include "proto/convert/statistics.h"
#include "server/core/incoming.h"
#include "server/core/rank.h"
#include "server/core/sample_ids.h"
#include "server/core/series_key.h"
#include "server/core/series_spec.h"
#include "server/core/services.h"
#include "server/log/reader.h"

namespace ncscope::server {

// How far a series has come.
struct SeriesStatus {
  enum class State { kStreaming, kComplete, kReporting, kLost };
  struct Missing {
    uint32_t rank = 0;
    bool connected = false;
    uint64_t batches = 0;
    std::chrono::steady_clock::duration absence{};  // since it was streamed, or the series began
    std::string broken;                             // why its state was lost, if it was
    bool lost = false;                              // away for longer than the lease, or broken
  };
  State state = State::kStreaming;
  uint32_t closed = 0;
  std::vector<Missing> missing;  // ranks that have not closed

  // Which ranks are lost, and what helps, for people; empty unless the state is kLost.
  std::string lost_text() const;
};

// Thread-safe. Locks are taken in this order: Rank::mutex, the callback of its log, mutex_, those
// of the services.
class Series {
 public:
  // `open` is of any of the ranks and has been checked; `log` is null where there are no logs.
  Series(SeriesKey key, const v1::Open& open, const SeriesSpec& spec,
         std::shared_ptr<SeriesLog> log, Services& services);

  // Takes up what the log of an earlier server holds, before anybody streams. What is damaged is
  // cut off, and said in the log. Throws BudgetExhausted, OutOfMemory, Error where the disk fails.
  void restore();

  const SeriesKey& key() const { return key_; }
  uint32_t attempt() const { return open_.attempt(); }

  // Makes `session` the writer of a rank, in place of any other, and returns the sequence number
  // that comes next; nothing if the series was dropped: look it up anew. Throws InvalidArgument
  // where the specs differ, ResourceExhausted.
  std::optional<uint64_t> attach(uint32_t rank, const SeriesSpec& spec, const BatchSpec& batches,
                                 uint64_t session);
  // The session ended.
  void detach(uint32_t rank, uint64_t session);

  // Throw Aborted if another session writes by now or the series was dropped; else as said in
  // session.h.
  uint64_t add_batch(uint32_t rank, uint64_t session, const IncomingBatch& batch);
  void add_classifier(uint32_t rank, uint64_t session, const ClassifierPart& part);
  void close(uint32_t rank, uint64_t session, uint64_t batches, bool partial);

  bool is_logged() const { return log_ != nullptr; }
  // The highest batch of a rank that is safe from what --durability promises.
  std::optional<uint64_t> durable_sequence(uint32_t rank);
  // As of a Session.
  bool is_over(uint32_t rank, uint64_t session);
  void require_going(uint32_t rank, uint64_t session);
  // As LogFile::on_durable(), until detach().
  void on_durable(uint32_t rank, uint64_t session, std::function<void()> changed);

  // Closes a rank by a state. The same again changes nothing. False, with the arguments as they
  // were, if the series was dropped: look it up anew.
  bool close_with_state(uint32_t rank, const SeriesSpec& spec, StatisticsBundle&& bundle,
                        uint32_t digest, Reservation&& memory);

  // What a Close is answered: the report, which is made where all ranks have closed, or counts.
  // Throws Aborted if the series was dropped, and whatever keeps a report from being made: the
  // series is then as before.
  CloseResult report_if_complete();

  // Where all ranks have closed and no report is made or being made: what a Close is answered that
  // need not wait for the report, which somebody makes later.
  std::optional<CloseResult> hold();
  // Whether all ranks have closed and the report is not there; it may be being made.
  bool complete() const;
  // Since when its ranks have all closed, for a series that hold() took and whose report is not
  // there: it may be being made.
  std::optional<std::chrono::steady_clock::time_point> held_since() const;

  // Where all ranks have closed and no report is made or being made: merges what they hold on the
  // host and gives back the rest of its memory of `budget`. True if that was some.
  bool free_accumulators(const MemoryBudget& budget);

  SeriesStatus status() const;
  // Where the log of a rank that has not closed, and whose turn it is not now, is beyond its share
  // of
  // --log-budget: does something about the first one; false where there is none.
  bool bound_idle_log();

  // Closes the ranks that have not closed, with what they have sent, and marks the report partial.
  // Throws FailedPrecondition while one of them is being streamed, or where no sample has come.
  void close_missing();

  // Whether a report may come by itself: no state of a rank was lost, and there is a session, or
  // was one within `absence`, or the report is being made.
  bool is_alive(std::chrono::steady_clock::duration absence) const;
  // Whether the report has failed, and it is too early for another try that nobody asks for: that
  // comes after 10 s, then after twice as long each time, at most 5 min.
  bool failed_lately() const;

  // Frees what was streamed; sessions get Aborted with `reason`. Does nothing to a report.
  void drop(const std::string& reason);

  // Why what was streamed was dropped, if it was.
  std::optional<std::string> lost() const;

  // As drop(), if no rank ever came to stream; true if the series is dropped.
  bool drop_if_unused();

  bool reported() const;
  // Since when there has been no session; nothing if there is one or the report is being made.
  std::optional<std::chrono::steady_clock::time_point> idle_since() const;
  // Whether some of its memory is of this budget.
  bool holds(const MemoryBudget& budget);
  // As drop(), if there was no session for `age`; true if the series is dropped. One whose ranks
  // have all closed is not, unless its report has failed over and over.
  bool drop_if_idle(std::chrono::steady_clock::duration age, const std::string& reason);

 private:
  enum class Phase { kStreaming, kReporting, kReported, kDropped };

  // Counts a batch with or without predictions: all batches of a series have them, or none.
  class PredictionClaim;

  Rank* join(uint32_t rank, const SeriesSpec& spec, const BatchSpec* batches);
  // Null until the rank opens.
  Rank* find_rank(uint32_t rank);
  Rank& rank_at(uint32_t rank);
  void require_writer(const Rank& rank, uint64_t session) const;
  void require_open(const Rank& rank, uint32_t index) const;
  bool lost_its_log(const Rank& rank) const;  // under mutex_
  void apply(Rank& rank, uint32_t index, const IncomingBatch& batch, uint32_t checksum);
  void reserve_accumulator(Rank& rank, DType type);
  void accumulate(Rank& rank, const Batch& batch, const Dropped& dropped);
  // Appends to the rank's log, which begins with what the rank has opened; does nothing where there
  // are no logs.
  struct Logged {
    uint64_t before = 0;  // the log's size, for truncate()
    uint64_t place = 0;
  };
  Logged log_record(Rank& rank, uint32_t index, RecordType type, const BodyParts& body);
  std::string opening(uint32_t index) const;
  void log_open(Rank& rank, uint32_t index);
  // Where the rank's log is beyond its share of --log-budget: writes it anew, with sums in place of
  // its samples but for some. Where that fails it is as it was.
  void bound_log(Rank& rank, uint32_t index);
  bool may_rewrite(const Rank& rank) const;
  void rewrite_log(Rank& rank, uint32_t index, uint32_t level);
  uint64_t log_state(Rank& rank, uint32_t index, const StatisticsBundle& bundle, uint32_t digest);
  void close_rank(Rank& rank, uint32_t index, bool partial);
  void require_partial();
  // `classifier` is of a state; it is taken only if nothing refuses the rank's end.
  void mark_closed(Rank& rank, uint32_t index, uint64_t samples, bool partial,
                   std::optional<Classifier> classifier = std::nullopt);

  // Of whoever makes the report, in phase kReporting: nobody else touches the ranks.
  void make_report();
  void merge_ranks(Device& device);
  // Accounts for the merged state in place of the ranks; the bytes of `budget` that gives back.
  size_t keep_merged(Reservation host, const MemoryBudget& budget);
  // False if it is not in phase kStreaming with all ranks closed.
  bool begin_reporting();
  // No report was made: as before, for another try.
  void end_reporting();
  // Of which batches nc4 is decided.
  uint32_t sample_level();
  DecisionCounts count_decisions(Device& device, const Statistics& centers,
                                 const Classifier* classifier);
  // NC4 by what came with the states of ranks.
  struct StateDecisions {
    bool needed = false;                   // a rank contributed a state: there is no second look
    std::string missing;                   // why there are none though they are needed
    uint32_t centers_epoch = 0;            // whose class means were the centres
    std::optional<DecisionCounts> counts;  // of all samples
  };
  StateDecisions state_decisions();
  struct ReplayedClassifier;
  void restore_rank(uint32_t index);
  void leave_to_another_device(Rank& rank, uint32_t index, const std::string& why);
  Rank* replay_open(uint32_t index, std::span<const std::byte> body);
  void replay(Rank& rank, uint32_t index, const LogReader& reader, const LogReader::Record& record,
              ReplayedClassifier& classifier);
  void require_batches() const;
  void replay_batch(Rank& rank, uint32_t index, uint64_t place, uint64_t bytes,
                    const BatchRecord& record);
  void replay_sample(Rank& rank, uint64_t place, uint64_t bytes, const BatchRecord& record);
  void replay_checkpoint(Rank& rank, uint32_t index, const LogReader& reader,
                         const LogReader::Record& record);
  void replay_state(Rank& rank, uint32_t index, const StateRecord& record, bool decided);
  v1::Report compute(Device& device, const Classifier* classifier);
  bool evaluates() const { return key_.split != kTrainSplit; }
  ReportedAttempt describe_attempt() const;
  // Writes the merged state to a file; returns its name.
  std::string store_state(std::optional<Classifier> classifier);
  void publish(v1::Report report, const std::string& state_file);
  void free_all();

  const SeriesKey key_;
  const v1::Open open_;
  const SeriesSpec spec_;
  const std::shared_ptr<SeriesLog> log_;
  Services& services_;

  SharedClassifier classifier_;
  SampleIds sample_ids_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::kStreaming;
  std::optional<std::string> drop_reason_;
  std::optional<BatchSpec>
      batch_spec_;  // set by the first stream, then constant and read without the mutex
  std::vector<std::unique_ptr<Rank>> ranks_;  // [world_size], null until a rank opens
  uint32_t closed_ = 0;
  uint64_t closed_samples_ = 0;
  bool partial_ = false;
  uint64_t batches_with_predictions_ = 0;
  uint64_t batches_without_predictions_ = 0;
  std::shared_ptr<const v1::Report> report_;
  uint32_t sessions_ = 0;
  bool used_ = false;    // a rank has opened or closed
  bool broken_ = false;  // the state of a rank was lost
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_used_;
  bool held_ = false;
  std::chrono::steady_clock::time_point complete_since_;  // all ranks have closed
  std::chrono::steady_clock::time_point retry_at_;        // where the report has failed
  uint32_t failures_ = 0;                                 // of reports
  Reservation merged_memory_;  // of the state below, where the ranks have given theirs back

  // Kept for another try where making the report fails.
  std::vector<Statistics> groups_;  // sums of ranks: one, or several for standard errors
  uint32_t merged_ranks_ = 0;       // so many ranks are in them
  std::optional<Statistics> merged_;
};

}  // namespace ncscope::server
