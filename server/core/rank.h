// What one rank has contributed to one attempt.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/accumulator.h"
#include "kernels/counted_decisions.h"
#include "kernels/statistics.h"
#include "proto/convert/statistics.h"
#include "server/core/classifier_upload.h"
#include "server/core/memory_budget.h"
#include "server/core/sample_store.h"

namespace ncscope::server {

struct Rank {
  static constexpr auto kNever = std::chrono::steady_clock::time_point::max();

  // `file` is null where there are no logs.
  Rank(SampleStore& store, std::shared_ptr<LogFile> file, uint32_t index)
      : log(std::move(file)), samples(store, log, index) {}

  // Held while a message of the rank is applied, and taken before the mutex of the series.
  std::mutex mutex;
  std::atomic<uint64_t> owner = 0;  // session that may write; 0 for none
  std::vector<uint32_t> checksums;  // of the content of each batch received
  uint64_t restored_batches = 0;    // whose sums came from a checkpoint
  uint64_t duplicates = 0;          // rows whose sample came before
  std::optional<Accumulator> accumulator;
  std::optional<ClassifierUpload> upload;
  std::optional<Statistics> state;       // contributed instead of samples
  std::optional<uint32_t> state_digest;  // of that state
  struct Decisions {
    std::vector<uint32_t> classes;  // [P] that the counts are of
    CountedDecisions counts;

    size_t bytes() const { return classes.size() * (sizeof(uint32_t) + 3 * sizeof(uint64_t)); }
  };
  std::optional<Decisions> decisions;  // of its samples, contributed with it
  const std::shared_ptr<LogFile> log;
  SampleLog samples;
  struct ClassifierPlace {
    ClassifierArray array;
    uint64_t record;
  };
  std::vector<ClassifierPlace> classifier_records;  // of the log, those that count
  // The log is not to be written anew below this size, unless the share for which that was found
  // has halved, or that failed and this time has come.
  uint64_t rewrite_above = 0;
  uint64_t rewrite_share = 0;
  std::chrono::steady_clock::time_point rewrite_again = kNever;
  Reservation memory;

  // Written under both mutexes, read under either.
  bool closed = false;
  std::string broken;  // why the rank's state was lost, if it was

  // Of who asks how far the rank is; connected and last_seen under the mutex of the series.
  bool connected = false;
  std::chrono::steady_clock::time_point last_seen = std::chrono::steady_clock::now();
  std::atomic<uint64_t> received{0};  // batches

  uint64_t next_sequence() const { return checksums.size(); }

  // `bundle` is of the rank's samples; its classifier is left. With the memory it takes.
  void take_state(StatisticsBundle&& bundle, uint32_t digest, Reservation&& reserved) {
    if (bundle.decisions) {
      decisions = {bundle.statistics.classes, *std::exchange(bundle.decisions, {})};
    }
    state = std::move(bundle.statistics);
    state_digest = digest;
    memory = std::move(reserved);
  }
  // Of a state that was refused after all.
  void drop_state() {
    state.reset();
    decisions.reset();
    state_digest.reset();
    memory.release();
  }

  // Notes where the log holds an array, and forgets those that it takes the place of.
  void note_classifier(ClassifierArray array, bool drops_bias, uint64_t record) {
    std::erase_if(classifier_records, [&](const ClassifierPlace& place) {
      return place.array == array || (drops_bias && place.array == ClassifierArray::kBias);
    });
    classifier_records.push_back({array, record});
  }

  // Frees everything but what recognises a repeated request.
  void free_state() {
    accumulator.reset();
    upload.reset();
    state.reset();
    decisions.reset();
    samples.clear();
    if (log) log->close();
    memory.release();
  }
};

}  // namespace ncscope::server
