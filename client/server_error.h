// What a server, or the way to it, answered.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/errors.h"

namespace ncscope::client {

// A call that ended with an error. what() is the server's text, with its address and the code.
class ServerError : public Error {
 public:
  // `code` as gRPC spells it, such as "INVALID_ARGUMENT".
  ServerError(std::string code, std::string text, const std::string& address)
      : Error("server " + address + ": " + text + " (" + code + ")"),
        code_(std::move(code)),
        text_(std::move(text)) {}

  const std::string& code() const { return code_; }
  const std::string& text() const { return text_; }  // the server's words alone

 private:
  std::string code_;
  std::string text_;
};

// How often in a row a lost connection is recovered from without a batch being acknowledged that
// was not before: a server that is lost over the same batches each time would be for ever.
inline constexpr int kMaxFutileRecoveries = 3;

// The server was lost again after so many recoveries that led nowhere.
class NoProgress : public ServerError {
 public:
  // `why` is how the last call ended; `closing` says that it had all batches, and Close.
  NoProgress(uint64_t acknowledged, bool closing, const std::string& why,
             const std::string& address)
      : ServerError("UNAVAILABLE",
                    "lost " + std::to_string(kMaxFutileRecoveries + 1) + " times in a row with " +
                        std::to_string(acknowledged) +
                        " batches acknowledged and no more, last by: " + why +
                        "; its log says more; " +
                        (closing ? "the report may still be made: ask for it; else " : "") +
                        "mend the cause, then stream the epoch again",
                    address) {}
};

// After a lost connection the server wants a batch again that is kept no longer (it was restarted,
// and had acknowledged what it could lose). The series can go on from `next_sequence`, where it had
// come to `acknowledged`.
class Rewound : public Error {
 public:
  Rewound(uint64_t next_sequence, uint64_t acknowledged, const std::string& address)
      : Error("server " + address + ": lost the batches from " + std::to_string(next_sequence) +
              " on; send them again"),
        next_sequence_(next_sequence),
        acknowledged_(acknowledged) {}

  uint64_t next_sequence() const { return next_sequence_; }
  uint64_t acknowledged() const { return acknowledged_; }  // most batches that ever were

 private:
  uint64_t next_sequence_;
  uint64_t acknowledged_;
};

}  // namespace ncscope::client
