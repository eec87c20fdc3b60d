// One series on its way to a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "kernels/classifier.h"
#include "ncscope/v1/service.pb.h"

namespace ncscope::client {

// Bytes of one batch, little-endian, types as the series was opened with.
struct BatchBytes {
  size_t rows = 0;
  std::span<const std::byte> features;     // [rows, d]
  std::span<const std::byte> labels;       // [rows]
  std::span<const std::byte> predictions;  // [rows], or empty
  std::span<const std::byte> sample_ids;   // [rows] uint64, or empty
};

// Streams batches of one rank. Batches are kept, up to the window of ClientOptions, until the
// server has received them, or, where it says which ones a crash cannot lose, until it cannot lose
// them; after a lost connection what it lacks is sent again, as is the classifier. A refusal throws
// ServerError, from send() or a later call; what the server took before it stays. So does
// a server that is away for too long; NoProgress where it is lost over and over.
class Series {
 public:
  Series(Series&&) noexcept;
  Series& operator=(Series&&) noexcept;
  // Ends the call without Close; the server keeps what it has received.
  ~Series();

  // Sequence number of the batch that send() sends next. Above 0 at the start where an earlier
  // call has sent some already: skip those,
  // or rewind().
  uint64_t next_sequence() const;

  // Goes back to batch 0. What the server has is sent again and compared, not applied: it refuses
  // other content with ALREADY_EXISTS. Before the first send() only.
  void rewind();

  // Largest message that the server takes, in bytes, a batch with its envelope.
  uint64_t max_message_bytes() const;

  // Batches that the server has received, and those that its crash cannot lose.
  uint64_t received() const;
  uint64_t durable() const;

  // Copies and sends a batch, with its checksum. Waits while the window is full. Throws
  // ServerError, Rewound, or InvalidArgument for a batch larger than the server takes.
  void send(const BatchBytes& batch);

  // The same without the copy: the bytes stay as they are, and there, until the series and gRPC
  // have let go of `owner`. They do so on any thread, once the batch is acknowledged and no
  // connection has it any more.
  void send(const BatchBytes& batch, std::shared_ptr<const void> owner);

  // Sends W and b in chunks of at most 1 MiB, as float64.
  void send_classifier(const Classifier& classifier);

  // Says that everything was sent, and waits for the answer, which has no report where ranks are
  // missing or the report waits for that of the train split. `partial` marks missing samples.
  v1::Closed close(bool partial = false);

 private:
  friend class Client;
  class Impl;
  explicit Series(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ncscope::client
