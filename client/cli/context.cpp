#include "client/cli/context.h"

#include <algorithm>

namespace ncscope::cli {

CLI::App& add_subcommand(Context& context, const std::string& name, const std::string& description,
                         std::function<void()> run) {
  CLI::App& command = *context.app.add_subcommand(name, description);
  command.callback([&context, run = std::move(run)] { context.action = run; });
  return command;
}

void add_environment(CLI::App& command, const std::vector<std::string>& without) {
  // CLI11 reads the environment of every command, also of those that were not asked for, and
  // refuses values that those do not take: name the variables when the command is met.
  command.preparse_callback([&command, without](size_t) {
    for (CLI::Option* option : command.get_options()) {
      if (option->get_lnames().empty()) continue;
      std::string name = option->get_lnames().front();
      if (name == "help" || std::ranges::find(without, name) != without.end()) continue;
      for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
      option->envname("NCSCOPE_" + name);
    }
  });
}

}  // namespace ncscope::cli
