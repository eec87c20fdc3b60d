// One stream of one rank, as a transport sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "server/core/classifier_upload.h"
#include "server/core/incoming.h"

namespace ncscope::server {

// Used by one thread at a time; every method may block for a device. A method that throws has
// changed nothing; after Aborted the session is of no more use.
class Session {
 public:
  virtual ~Session() = default;

  // Sequence number that the server wants next.
  virtual uint64_t next_sequence() const = 0;

  // Applies a batch, or recognises it as received before. Returns the highest sequence number
  // received. Throws InvalidArgument as admit(), DataLoss for a checksum that does not match,
  // FailedPrecondition for a gap, AlreadyExists for other content under a number received before,
  // ResourceExhausted, Aborted.
  virtual uint64_t add_batch(const IncomingBatch& batch) = 0;

  // The highest sequence number that is safe from what --durability promises.
  virtual std::optional<uint64_t> durable_sequence() const { return std::nullopt; }
  // `changed` is called, by whatever thread, whenever that has risen; it may call
  // durable_sequence(), and nothing else of the session. The end of the session ends it: no call is
  // under way when its destructor returns.
  virtual void on_durable(std::function<void()> /*changed*/) {}

  // Throws as ClassifierUpload::add() and SharedClassifier::submit().
  virtual void add_classifier(const ClassifierPart& part) = 0;

  // Closes the rank; the last one makes the report and waits for it. May be repeated. Throws
  // FailedPrecondition where the count differs, the classifier is not complete or N = 0.
  virtual CloseResult close(uint64_t batches, bool partial) = 0;
};

}  // namespace ncscope::server
