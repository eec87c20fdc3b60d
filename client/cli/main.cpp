// The `ncscope` command line. Exit 0: done; 1: the input or the server refused it; 2: bad usage.
#include <google/protobuf/stubs/logging.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "client/cli/commands.h"
#include "client/cli/help.h"

namespace ncscope::cli {
namespace {

constexpr int kRefused = 1;
constexpr int kBadUsage = 2;

// One line, whatever a file or a server put into it.
void print_error(const std::string& text) {
  std::string line = "ncscope: ";
  for (const char c : text) line += (c >= 0 && c < 0x20) || c == 0x7f ? ' ' : c;
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

void add_commands(Context& context) {
  add_report_command(context);
  add_stats_command(context);
  add_merge_command(context);
  add_runs_command(context);
  add_show_command(context);
  add_watch_command(context);
  add_export_command(context);
  add_series_command(context);
  add_finish_command(context);
  add_delete_command(context);
  add_doctor_command(context);
}

// Libraries say on standard error what we say in one line.
void quiet_libraries() {
  google::protobuf::SetLogHandler(nullptr);
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
}

int run_action(const Context& context) {
  try {
    if (!context.action) throw UsageError("expected a command, got none (see ncscope --help)");
    context.action();
    return 0;
  } catch (const UsageError& error) {
    print_error(error.what());
    return kBadUsage;
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const Error& error) {
    print_error(error.what());
  } catch (const std::exception& error) {
    print_error(std::string("internal error: ") + error.what());
  }
  return kRefused;
}

int run_main(int argc, char** argv) {
  quiet_libraries();
  CLI::App app("Measures neural collapse of networks while they train.", "ncscope");
  Context context{app, {}};
  app.set_version_flag("--version", std::string("ncscope ") + NCSCOPE_VERSION);
  // CLI11 looks for the file before it reads the environment.
  const char* config = std::getenv("NCSCOPE_CONFIG");
  const bool has_config = config != nullptr && *config != '\0';
  app.set_config("--config", has_config ? config : "",
                 "INI or TOML file with a [section] for each command", has_config)
      ->type_name("FILE");
  app.allow_config_extras(false);
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(
      "Every option of a command is also an environment variable (NCSCOPE_NUM_CLASSES for\n"
      "--num-classes) and a key of the --config file.\n"
      "Exit status: 0 done, 1 the input or the server refused it, 2 bad usage.");
  add_commands(context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    print_error(std::string(error.what()) + " (see ncscope --help)");
    return kBadUsage;
  }
  return run_action(context);
}

}  // namespace
}  // namespace ncscope::cli

int main(int argc, char** argv) { return ncscope::cli::run_main(argc, argv); }
