#include "tests/support/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace ncscope::testing {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{120};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_texts(const Environment& added) {
  std::vector<std::string> texts;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!text.starts_with("NCSCOPE_") && !added.contains(text.substr(0, text.find('=')))) {
      texts.push_back(text);
    }
  }
  for (const auto& [name, value] : added) texts.push_back(name + "=" + value);
  return texts;
}

int spawn_program(std::vector<std::string> arguments, const Environment& environment, int out,
                  int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  std::vector<std::string> texts = environment_texts(environment);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments.front().c_str(), &actions, nullptr,
                                pointers(arguments).data(), pointers(texts).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + arguments.front());
  return pid;
}

int exit_status(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

int wait_for(int pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return exit_status(status);
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    read_end = ends[0];
    write_end = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_write();
    ::close(read_end);
  }
  void close_write() {
    if (write_end >= 0) ::close(write_end);
    write_end = -1;
  }
  int read_end = -1;
  int write_end = -1;
};

// Reads both pipes to their ends; false if that takes too long.
bool read_both(const Pipe& out, const Pipe& err, CommandResult& result) {
  std::array<pollfd, 2> polled{{{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}}};
  std::array<std::string*, 2> texts{&result.out, &result.err};
  const auto deadline = Clock::now() + kPatience;
  for (int open = 2; open > 0;) {
    if (Clock::now() > deadline) return false;
    if (::poll(polled.data(), polled.size(), 1000) < 0 && errno != EINTR) return false;
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0) continue;
      std::array<char, 65536> block{};
      const ssize_t got = ::read(polled[i].fd, block.data(), block.size());
      if (got > 0) {
        texts[i]->append(block.data(), static_cast<size_t>(got));
      } else {
        polled[i].fd = -1;
        --open;
      }
    }
  }
  return true;
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& arguments,
                          const Environment& environment) {
  Pipe out;
  Pipe err;
  const int pid = spawn_program(arguments, environment, out.write_end, err.write_end);
  out.close_write();
  err.close_write();
  CommandResult result;
  const bool in_time = read_both(out, err, result);
  if (!in_time) ::kill(pid, SIGKILL);
  result.status = wait_for(pid);
  if (!in_time) throw std::runtime_error(arguments.front() + " ran too long");
  return result;
}

BackgroundCommand::BackgroundCommand(const std::vector<std::string>& arguments,
                                     const std::filesystem::path& log,
                                     const Environment& environment) {
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) throw std::runtime_error("cannot write " + log.string());
  pid_ = spawn_program(arguments, environment, file, file);
  ::close(file);
}

BackgroundCommand::~BackgroundCommand() {
  if (running()) stop(SIGKILL);
}

bool BackgroundCommand::running() {
  int status = 0;
  if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = exit_status(status);
    pid_ = -1;
  }
  return pid_ > 0;
}

void BackgroundCommand::freeze() {
  if (!running()) return;
  ::kill(pid_, SIGSTOP);
  int status = 0;
  while (::waitpid(pid_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
}

int BackgroundCommand::stop(int signal) {
  if (running()) {
    ::kill(pid_, signal);
    status_ = wait_for(pid_);
    pid_ = -1;
  }
  return status_;
}

int BackgroundCommand::wait() {
  const auto deadline = Clock::now() + kPatience;
  while (running()) {
    if (Clock::now() > deadline) throw std::runtime_error("a program did not end");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return status_;
}

ServerProcess::ServerProcess(const std::string& program, std::vector<std::string> arguments,
                             Environment environment)
    : program_(program), arguments_(std::move(arguments)), environment_(std::move(environment)) {
  start();
}

void ServerProcess::start(Environment environment) {
  environment_ = std::move(environment);
  start();
}

void ServerProcess::start() {
  const auto port_file = folder_ / "ports";
  std::filesystem::remove(port_file);
  std::vector<std::string> arguments = {program_,
                                        "--listen",
                                        address_,
                                        "--http",
                                        "127.0.0.1:0",
                                        "--data",
                                        (folder_ / "data").string(),
                                        "--port-file",
                                        port_file.string()};
  arguments.insert(arguments.end(), arguments_.begin(), arguments_.end());
  command_ = std::make_unique<BackgroundCommand>(arguments, folder_ / "log", environment_);
  const auto deadline = Clock::now() + kPatience;
  while (!std::filesystem::exists(port_file)) {
    if (!command_->running() || Clock::now() > deadline) {
      throw std::runtime_error("the server did not start: " + read_file(folder_ / "log"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::ifstream ports(port_file);
  for (std::string name, address; ports >> name >> address;) {
    if (name == "grpc") address_ = address;
  }
}

void ServerProcess::kill() { command_->stop(SIGKILL); }

int ServerProcess::stop() { return command_->stop(SIGTERM); }

int ServerProcess::wait() { return command_->wait(); }

void ServerProcess::freeze() { command_->freeze(); }

std::string ServerProcess::log() const { return read_file(folder_ / "log"); }

}  // namespace ncscope::testing
