// One stream of one rank, as a transport sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "kernels/admission.h"
#include "ncscope/v1/service.pb.h"
#include "server/core/classifier_upload.h"
#include "server/core/incoming.h"

namespace ncscope::server {

// Used by one thread at a time, but durable_sequence() and is_over() by any; every method but the
// const ones may block for a device. A method that throws has changed nothing; after Aborted the
// session is of no more use.
class Session {
 public:
  virtual ~Session() = default;

  // What its batches look like: by this the transport admits them.
  virtual const BatchSpec& batch_spec() const = 0;

  // Sequence number that the server wants next.
  virtual uint64_t next_sequence() const = 0;

  // Applies a batch, or recognises it as received before. Returns the highest sequence number
  // received. What is kept of the samples afterwards is the session's to account for. Throws what
  // refused the batch, DataLoss for a checksum that does not match, FailedPrecondition for a gap,
  // AlreadyExists for other content under a number received before, ResourceExhausted, Aborted.
  virtual uint64_t add_batch(const IncomingBatch& batch) = 0;

  // Throws as ClassifierUpload::add() and SharedClassifier::submit().
  virtual void add_classifier(const ClassifierPart& part) = 0;

  // Closes the rank; the last one makes the report and waits for it. May be repeated. Throws
  // FailedPrecondition where the count differs, the classifier is not complete or N = 0.
  virtual CloseResult close(uint64_t batches, bool partial) = 0;

  // Whether there will be any of these.
  virtual bool tells_durable() const { return false; }

  // Highest sequence number that a crash cannot lose; nothing while there is none.
  virtual std::optional<uint64_t> durable_sequence() const { return std::nullopt; }

  // Whether every message would be refused from now on: a newer stream took over, what was streamed
  // was dropped, or nothing becomes durable any more.
  virtual bool is_over() const { return false; }
  // Throws Aborted or FailedPrecondition, saying why, where that is so.
  virtual void require_going() const {}

  // Calls `changed`, from whatever thread, after either has changed; no more once the
  // session is destroyed, which waits for a call in progress. Set once, before the first batch.
  // `changed` does not block and calls nothing but these two.
  virtual void on_durable(std::function<void()> changed) { static_cast<void>(changed); }
};

// Where a transport gets its sessions. Thread-safe.
class SessionSource {
 public:
  virtual ~SessionSource() = default;
  // Begins a stream, in place of an older one of the same rank. May block.
  virtual std::unique_ptr<Session> open(const v1::Open& open) = 0;
};

}  // namespace ncscope::server
