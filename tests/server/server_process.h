// The real program, in a process of its own.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ncscope::testing {

class ServerProcess {
 public:
  // Starts ncscope-server with these arguments and NAME=VALUE variables; `shell_prefix` is run
  // before it by sh, such as "ulimit -f 100".
  ServerProcess(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                const std::vector<std::string>& environment = {},
                const std::string& shell_prefix = "");
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();  // kills it

  // The arguments of a server that serves on free ports.
  static std::vector<std::string> serving(const std::filesystem::path& folder);

  // Waits for the port file of serving(); the address of gRPC.
  std::string grpc_address();
  // The address of HTTP; after grpc_address().
  std::string http_address() const;
  void signal(int number);
  // Waits for the end; the exit status, or minus the signal that ended it: SIGKILL, by us, where it
  // serves on for a minute.
  int wait();
  // What it wrote to stdout and stderr so far.
  std::string output() const;

 private:
  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool running_ = true;
};

}  // namespace ncscope::testing
