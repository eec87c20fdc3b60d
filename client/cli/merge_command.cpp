// ncscope merge: mergeable states -> one report.
#include "client/cli/commands.h"
#include "client/cli/report_options.h"
#include "client/measure/local.h"
#include "proto/convert/statistics_file.h"

namespace ncscope::cli {
namespace {

struct MergeCommand {
  std::vector<std::string> files;
  OutputOptions output;
  ComputeOptions compute;
  SeriesOptions series;
};

void run_merge(const MergeCommand& command) {
  max_classes(command.output);
  std::vector<StatisticsBundle> bundles;
  for (const std::string& file : command.files) bundles.push_back(load_statistics(file));
  const auto device = open_device(command.compute.device);
  measure::MeasureOptions options;
  apply_compute_options(command.compute, options);
  const measure::Measurement merged = measure::merge_bundles(
      *device, std::move(bundles), command.files, options.report.standard_errors);
  const std::string stem = std::filesystem::path(command.files.front()).stem().string();
  apply_series_options(command.series, stem, options);
  write_report(measure::report_of(*device, merged, nullptr, options,
                                  static_cast<uint32_t>(command.files.size())),
               command.output);
}

}  // namespace

void add_merge_command(Context& context) {
  const auto options = std::make_shared<MergeCommand>();
  CLI::App& command = add_subcommand(context, "merge", "Merge states of `stats` into one report",
                                     [options] { run_merge(*options); });
  command.add_option("FILES", options->files, "files that `ncscope stats` wrote")
      ->type_name("")
      ->required();
  add_compute_options(command, options->compute);
  add_output_options(command, options->output);
  add_series_options(command, options->series);
  add_environment(command);
  command.footer("NC4 is undefined after a merge: it looks at every sample a second time.");
}

}  // namespace ncscope::cli
