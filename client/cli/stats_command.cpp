// ncscope stats: samples in files -> a mergeable state.
#include "client/cli/commands.h"
#include "client/cli/progress.h"
#include "client/cli/report_options.h"
#include "client/cli/sample_options.h"
#include "client/measure/local.h"
#include "proto/convert/statistics_file.h"

namespace ncscope::cli {
namespace {

struct StatsCommand {
  SampleOptions samples;
  DeviceChoice device;
  std::string output;
};

void run_stats(const StatsCommand& command) {
  const files::SampleSet set(sample_sources(command.samples));
  measure::MeasureOptions options;
  apply_sample_options(command.samples, options);
  const auto device = open_device(command.device);
  Progress progress("reading", set.samples());
  save_statistics(command.output, measure::local_statistics(*device, set, options, [&](uint64_t n) {
                    progress.update(n);
                  }));
}

}  // namespace

void add_stats_command(Context& context) {
  const auto options = std::make_shared<StatsCommand>();
  CLI::App& command =
      add_subcommand(context, "stats", "Reduce samples in files to a mergeable state",
                     [options] { run_stats(*options); });
  add_sample_options(command, options->samples);
  add_device_options(command, options->device);
  command.add_option("-o,--output", options->output, "file to write, such as part.ncstats")
      ->type_name("PATH")
      ->required();
  add_environment(command);
  command.footer(
      "Give --num-classes where a part may lack the last classes: parts merge if they agree on K.\n"
      "Example:\n"
      "  ncscope stats part1.npz --num-classes 10 -o part1.ncstats\n"
      "  ncscope merge part*.ncstats");
}

}  // namespace ncscope::cli
