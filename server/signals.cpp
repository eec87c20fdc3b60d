#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>

namespace ncscope::server {
namespace {

// Sent to the thread of StopSignals only, to end it.
constexpr int kEndThread = SIGUSR1;

// Libraries start threads before main (OpenBLAS does), which have not blocked these signals; what
// such a thread is given goes on to the thread that waits.
std::atomic<pthread_t> waiting_thread;
static_assert(std::atomic<pthread_t>::is_always_lock_free);

extern "C" void pass_on_signal(int number) {
  const int saved = errno;
  pthread_kill(waiting_thread.load(), number);
  errno = saved;
}

void handle_stop_signals(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

sigset_t taken_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, kEndThread);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = taken_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A reader that went away, or a full file, is an error of the call that wrote.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  thread_ = std::thread([this] { take_signals(); });
  waiting_thread = thread_.native_handle();
  handle_stop_signals(pass_on_signal);
}

StopSignals::~StopSignals() {
  handle_stop_signals(SIG_DFL);
  pthread_kill(thread_.native_handle(), kEndThread);
  thread_.join();
}

void StopSignals::take_signals() {
  const sigset_t set = taken_signals();
  while (true) {
    int number = 0;
    if (sigwait(&set, &number) != 0) continue;
    if (number == kEndThread) return;
    const std::lock_guard lock(mutex_);
    if (count_++ == 0) first_ = number;
    changed_.notify_all();
  }
}

int StopSignals::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return count_ > 0 || woken_; });
  return first_;
}

void StopSignals::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

bool StopSignals::impatient() const {
  const std::lock_guard lock(mutex_);
  return count_ > 1;
}

}  // namespace ncscope::server
