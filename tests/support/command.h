// Programs run as a user runs them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/arrays.h"

namespace ncscope::testing {

using Environment = std::map<std::string, std::string>;

struct CommandResult {
  int status = -1;  // exit status; 128 + signal where one ended it
  std::string out;
  std::string err;
};

// Runs a program to its end, standard input empty. NCSCOPE_* variables of this process are not
// passed on; `environment` is. Throws std::runtime_error if it runs longer than two minutes, after
// ending it.
CommandResult run_command(const std::vector<std::string>& arguments,
                          const Environment& environment = {});

// A program that runs beside the test.
class BackgroundCommand {
 public:
  // Its output goes to `log` (a file).
  BackgroundCommand(const std::vector<std::string>& arguments, const std::filesystem::path& log,
                    const Environment& environment = {});
  BackgroundCommand(const BackgroundCommand&) = delete;
  BackgroundCommand& operator=(const BackgroundCommand&) = delete;
  ~BackgroundCommand();  // kills it if it still runs

  bool running();
  // Stops it where it is; it stays like that until it is killed.
  void freeze();
  // Sends a signal and waits for the end; returns the exit status as in CommandResult.
  int stop(int signal);
  // Waits until it ends by itself, at most two minutes; returns its exit status.
  int wait();

 private:
  int pid_;
  int status_ = -1;
};

// `ncscope-server` on a free port of the loopback address, with a data folder of its own.
class ServerProcess {
 public:
  // `arguments` come after those for addresses and data; a backend is among them.
  explicit ServerProcess(const std::string& program,
                         std::vector<std::string> arguments = {"--backend", "cpu"},
                         Environment environment = {});

  const std::string& address() const { return address_; }
  // Ends it at once, as a crash would.
  void kill();
  // Ends it as Ctrl-C would; returns its exit status.
  int stop();
  // Waits until it ends by itself; returns its exit status.
  int wait();
  // Makes it hang, as a machine that is gone does: its connections stay, and nobody answers.
  void freeze();
  // What it has written so far, sanitizers' reports too.
  std::string log() const;
  // Starts it again with the same address and data.
  void start();
  // Starts it again in another environment.
  void start(Environment environment);

 private:
  std::string program_;
  std::vector<std::string> arguments_;
  Environment environment_;
  TemporaryFolder folder_;
  std::string address_ = "127.0.0.1:0";
  std::unique_ptr<BackgroundCommand> command_;
};

}  // namespace ncscope::testing
