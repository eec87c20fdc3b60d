// What a server, or the way to it, answered.
#pragma once

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

// After a lost connection the server wants a batch again that is kept no longer (it was restarted,
// and had acknowledged what it could lose). The series can go on from `next_sequence`.
class Rewound : public Error {
 public:
  Rewound(uint64_t next_sequence, const std::string& address)
      : Error("server " + address + ": lost the batches from " + std::to_string(next_sequence) +
              " on; send them again"),
        next_sequence_(next_sequence) {}

  uint64_t next_sequence() const { return next_sequence_; }

 private:
  uint64_t next_sequence_;
};

}  // namespace ncscope::client
