#include "client/cli/sample_options.h"

#include <algorithm>
#include <filesystem>

#include "client/cli/context.h"

namespace ncscope::cli {
namespace {

constexpr const char* kSamplesGroup = "Samples";

bool is_npy(const std::string& text) { return text.ends_with(".npy"); }

// KEY, or FILE.npy any number of times.
files::ArrayChoice array_choice(const std::vector<std::string>& values, const std::string& name) {
  if (values.empty()) return {name, false, {}};
  const auto npy_files = std::ranges::count_if(values, is_npy);
  if (npy_files == 0 && values.size() == 1) return {values.front(), true, {}};
  if (npy_files != static_cast<long>(values.size())) {
    throw UsageError("--" + name + ": expected one KEY, or .npy files, got both or several keys");
  }
  return {name, true, {values.begin(), values.end()}};
}

void add_array_option(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                      const std::string& description) {
  // One value each time, so that FILES may follow.
  command.add_option("--" + name, values, description)
      ->type_name("KEY|FILE.npy")
      ->allow_extra_args(false)
      ->group(kSamplesGroup);
}

}  // namespace

void add_sample_options(CLI::App& command, SampleOptions& options) {
  command
      .add_option("FILES", options.files,
                  "npz files; several are shards of one data set, in this order")
      ->type_name("");
  add_array_option(command, "features", options.features,
                   "features [N, d], float16/32/64: key in FILES (default: features), or a .npy "
                   "file; give it again for each shard, with as many --labels");
  add_array_option(command, "labels", options.labels,
                   "labels [N], any integer type (default: labels)");
  add_array_option(command, "weight", options.weight,
                   "classifier weight [K, d], in any one of FILES (default: weight, if there)");
  add_array_option(command, "bias", options.bias, "bias [K] (default: bias, if there)");
  add_array_option(command, "predictions", options.predictions,
                   "predicted classes [N], used where there is no weight (default: predictions, "
                   "if there)");
  command
      .add_option("--num-classes", options.num_classes,
                  "number of classes K (default: rows of the weight, else the largest label or "
                  "prediction + 1)")
      ->type_name("K")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 31))
      ->group(kSamplesGroup);
  command
      .add_option("--nonfinite", options.nonfinite,
                  "what to do with rows that hold a NaN or an infinity: refuse the data, or skip "
                  "and count them")
      ->type_name("")
      ->check(CLI::IsMember({"refuse", "skip"}))
      ->capture_default_str()
      ->group(kSamplesGroup);
  command
      .add_option("--ignore-index", options.ignore_index,
                  "rows with this label are dropped and counted")
      ->type_name("I")
      ->capture_default_str()
      ->group(kSamplesGroup);
}

files::SampleSources sample_sources(const SampleOptions& options) {
  files::SampleSources sources;
  sources.features = array_choice(options.features, "features");
  sources.labels = array_choice(options.labels, "labels");
  sources.weight = array_choice(options.weight, "weight");
  sources.bias = array_choice(options.bias, "bias");
  sources.predictions = array_choice(options.predictions, "predictions");
  for (const std::string& file : options.files) {
    if (is_npy(file)) {
      throw UsageError(file + ": a .npy file holds one array; say which: --features X.npy " +
                       "--labels Y.npy");
    }
    sources.files.emplace_back(file);
  }
  if (sources.features.npy_files.empty() != sources.labels.npy_files.empty()) {
    throw UsageError("expected --features and --labels to be .npy files both or neither");
  }
  if (sources.files.empty() && sources.features.npy_files.empty()) {
    throw UsageError("expected FILES, or --features X.npy with --labels Y.npy, got neither");
  }
  return sources;
}

void apply_sample_options(const SampleOptions& options, measure::MeasureOptions& out) {
  out.num_classes = options.num_classes;
  out.skip_nonfinite = options.nonfinite == "skip";
  out.ignore_index = options.ignore_index;
}

std::string default_run(const SampleOptions& options) {
  const std::string& first =
      options.files.empty() ? options.features.front() : options.files.front();
  std::string name = std::filesystem::path(first).stem().string().substr(0, 128);
  for (char& c : name) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    if (!plain) c = '_';
  }
  return name.empty() ? "report" : name;
}

}  // namespace ncscope::cli
