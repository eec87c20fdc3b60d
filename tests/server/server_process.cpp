#include "tests/server/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/arrays.h"

namespace ncscope::testing {

ServerProcess::ServerProcess(const std::filesystem::path& folder,
                             const std::vector<std::string>& arguments,
                             const std::vector<std::string>& environment,
                             const std::string& shell_prefix)
    : folder_(folder) {
  std::filesystem::remove(folder_ / "ports");
  std::string command = shell_prefix.empty() ? "" : shell_prefix + "; ";
  command += "exec env NCSCOPE_DURABILITY=os ";  // unless a test says otherwise: see test_options()
  for (const std::string& variable : environment) command += "'" + variable + "' ";
  command += NCSCOPE_SERVER_BINARY;
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  const std::string output = folder_ / "output";
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(file, 1);
    ::dup2(file, 2);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
}

ServerProcess::~ServerProcess() {
  if (!running_) return;
  signal(SIGKILL);
  wait();
}

std::vector<std::string> ServerProcess::serving(const std::filesystem::path& folder) {
  return {"--listen",      "127.0.0.1:0", "--http", "127.0.0.1:0", "--data",
          folder / "data", "--backend",   "cpu",    "--port-file", folder / "ports"};
}

std::string ServerProcess::grpc_address() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream ports(folder_ / "ports");
    std::string name;
    std::string address;
    if (ports >> name >> address) return address;
    if (::waitpid(pid_, &status_, WNOHANG) == pid_) {
      running_ = false;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error("ncscope-server does not serve: " + output());
}

std::string ServerProcess::http_address() const {
  std::ifstream ports(folder_ / "ports");
  std::string name;
  std::string address;
  while (ports >> name >> address) {
    if (name == "http") return address;
  }
  throw std::runtime_error("ncscope-server names no HTTP address");
}

void ServerProcess::signal(int number) {
  if (running_) ::kill(pid_, number);
}

int ServerProcess::wait() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (running_) {
    if (::waitpid(pid_, &status_, WNOHANG) != 0) {
      running_ = false;
    } else if (std::chrono::steady_clock::now() > deadline) {
      signal(SIGKILL);
      running_ = ::waitpid(pid_, &status_, 0) != pid_;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

std::string ServerProcess::output() const { return read_file(folder_ / "output"); }

}  // namespace ncscope::testing
