#include "client/cli/progress.h"

#include <unistd.h>

#include <cstdio>

#include "client/output/number.h"

namespace ncscope::cli {

namespace {
constexpr std::chrono::milliseconds kBetweenDraws{100};
}

Progress::Progress(std::string what, uint64_t total)
    : what_(std::move(what)),
      total_(total),
      enabled_(::isatty(STDERR_FILENO) == 1),
      // What is done at once is not worth a line.
      next_draw_(std::chrono::steady_clock::now() + 3 * kBetweenDraws) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::update(uint64_t done) {
  if (!enabled_ || std::chrono::steady_clock::now() < next_draw_) return;
  next_draw_ = std::chrono::steady_clock::now() + kBetweenDraws;
  drawn_ = true;
  const double share = total_ == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total_);
  std::fprintf(stderr, "\r\033[K%s %3.0f%%  %s of %s rows", what_.c_str(), 100 * share,
               output::grouped_integer(done).c_str(), output::grouped_integer(total_).c_str());
  std::fflush(stderr);
}

}  // namespace ncscope::cli
