// ncscope report: samples in files -> a report, computed here or by a server.
#include "client/cli/commands.h"
#include "client/cli/progress.h"
#include "client/cli/report_options.h"
#include "client/cli/sample_options.h"
#include "client/cli/server_option.h"
#include "client/measure/local.h"
#include "client/measure/remote.h"
#include "kernels/errors.h"
#include "proto/convert/splits.h"
#include "proto/convert/statistics_file.h"

namespace ncscope::cli {
namespace {

struct ReportCommand {
  SampleOptions samples;
  OutputOptions output;
  ComputeOptions compute;
  SeriesOptions series;
  ServerOption server;
  bool local = false;
  std::string centers;  // file of the train split
};

// The keys by which an archive is read; what lies in .npy files is of the other samples.
std::vector<std::string> keys_only(const std::vector<std::string>& choice) {
  const bool key = choice.size() == 1 && !choice.front().ends_with(".npy");
  return key ? choice : std::vector<std::string>{};
}

// Where the train samples lie: `file`, and of them features and labels alone matter.
SampleOptions train_samples(const SampleOptions& others, const std::string& file) {
  SampleOptions samples = others;
  samples.files = {file};
  samples.features = keys_only(others.features);
  samples.labels = keys_only(others.labels);
  samples.predictions.clear();
  samples.weight.clear();
  samples.bias.clear();
  return samples;
}

// The state of the train split, of a file of `stats` or of samples. Its K is that of the other
// samples' classifier where none is given.
void read_centers(const ReportCommand& command, const files::SampleSet& set, Device& device,
                  measure::MeasureOptions& options) {
  StatisticsBundle bundle;
  if (std::filesystem::path(command.centers).extension() == ".ncstats") {
    bundle = load_statistics(command.centers);
  } else {
    const SampleOptions samples = train_samples(command.samples, command.centers);
    measure::MeasureOptions train;
    apply_sample_options(samples, train);
    if (!train.num_classes && set.classifier()) train.num_classes = set.classifier()->num_classes;
    bundle = measure::local_statistics(device, files::SampleSet(sample_sources(samples)), train);
  }
  if (bundle.statistics.samples == 0) throw InvalidArgument(command.centers + ": has no samples");
  options.train_epoch = bundle.key.run().empty() ? options.key.epoch() : bundle.key.epoch();
  if (!options.num_classes) options.num_classes = bundle.statistics.num_classes;
  options.train = std::make_shared<Statistics>(std::move(bundle.statistics));
  if (options.key.split() == kTrainSplit) options.key.set_split("test");
}

v1::Report computed_report(const ReportCommand& command) {
  const files::SampleSet set(sample_sources(command.samples));
  measure::MeasureOptions options;
  apply_sample_options(command.samples, options);
  apply_compute_options(command.compute, options);
  apply_series_options(command.series, default_run(command.samples), options);
  if (!command.server.address.empty()) {
    client::Client client = command.server.connect();
    Progress progress("sending", set.samples());
    return measure::remote_report(client, set, options, [&](uint64_t n) { progress.update(n); });
  }
  const auto device = open_device(command.compute.device);
  if (!command.centers.empty()) read_centers(command, set, *device, options);
  Progress progress("reading", 2 * set.samples());
  return measure::local_report(*device, set, options, [&](uint64_t n) { progress.update(n); });
}

// A server has its own.
void require_no_device(const DeviceChoice& choice) {
  const char* const given = choice.backend != "auto" ? "--backend"
                            : choice.math != "exact" ? "--math"
                            : choice.memory_bytes    ? "--device-memory"
                                                     : nullptr;
  if (given == nullptr) return;
  throw UsageError(std::string(given) +
                   ": expected to be left out with --server, which has its own");
}

void run_report(const ReportCommand& command) {
  max_classes(command.output);
  if (!command.server.address.empty()) require_no_device(command.compute.device);
  write_report(computed_report(command), command.output);
}

}  // namespace

void add_report_command(Context& context) {
  const auto options = std::make_shared<ReportCommand>();
  CLI::App& command = add_subcommand(context, "report", "Report on samples in files",
                                     [options] { run_report(*options); });
  add_sample_options(command, options->samples);
  add_compute_options(command, options->compute);
  add_output_options(command, options->output);
  add_series_options(command, options->series);
  const auto local = command.add_flag("--local", options->local,
                                      "compute on this machine (default without --server)");
  add_server_option(command, options->server);
  options->server.address.clear();
  command.get_option("--server")
      ->description("stream to the server at ADDR (HOST:PORT), which keeps the report")
      ->default_str("")
      ->excludes(local);
  command
      .add_option("--centers", options->centers,
                  "samples that were trained on, as .ncstats of `stats` or as .npz:"
                  " nc4, nc5 and test_collapse are judged against their class means; --split is"
                  " then test by default")
      ->type_name("FILE")
      ->excludes("--server");
  add_environment(command, {"server", "local"});
  command.footer(
      "Examples:\n"
      "  ncscope report epoch3.npz\n"
      "  ncscope report part*.npz --format json --output epoch3.json\n"
      "  ncscope report test3.npz --centers train3.npz\n"
      "  ncscope report --features X.npy --labels y.npy --weight W.npy --bias b.npy\n"
      "  ncscope report epoch3.npz --server 127.0.0.1:50051 --run mlp --epoch 3");
}

}  // namespace ncscope::cli
