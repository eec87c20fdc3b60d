// What subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "kernels/errors.h"

namespace ncscope::cli {

inline constexpr const char* kDefaultServer = "127.0.0.1:50051";

// What was asked for makes no sense: exit 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// The command line. Each add_*_command() adds a subcommand that sets `action`.
struct Context {
  CLI::App& app;
  std::function<void()> action;  // runs after everything was parsed
};

// Adds a subcommand whose callback sets the action to `run`.
CLI::App& add_subcommand(Context& context, const std::string& name, const std::string& description,
                         std::function<void()> run);

// Lets each option of a subcommand be set by NCSCOPE_<NAME> too, such as NCSCOPE_NUM_CLASSES. Call
// it after the last option. Options in `without` decide too much to be set unseen.
void add_environment(CLI::App& command, const std::vector<std::string>& without = {});

}  // namespace ncscope::cli
