// How far a long job is, on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ncscope::cli {

// Draws one line on standard error, if that is a terminal, and removes it in the end.
class Progress {
 public:
  Progress(std::string what, uint64_t total);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void update(uint64_t done);

 private:
  std::string what_;
  uint64_t total_;
  bool enabled_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace ncscope::cli
