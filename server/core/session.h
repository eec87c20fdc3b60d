// One stream of one rank, as a transport sees it.
#pragma once

#include <cstdint>
#include <memory>

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

  // Throws as ClassifierUpload::add() and SharedClassifier::submit().
  virtual void add_classifier(const ClassifierPart& part) = 0;

  // Closes the rank; the last one makes the report and waits for it. May be repeated. Throws
  // FailedPrecondition where the count differs, the classifier is not complete or N = 0.
  virtual CloseResult close(uint64_t batches, bool partial) = 0;
};

}  // namespace ncscope::server
