// Options that say where samples lie and how they are read.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/files/sample_sources.h"
#include "client/measure/options.h"

namespace ncscope::cli {

struct SampleOptions {
  std::vector<std::string> files;
  std::vector<std::string> features;
  std::vector<std::string> labels;
  std::vector<std::string> predictions;
  std::vector<std::string> weight;
  std::vector<std::string> bias;
  std::optional<size_t> num_classes;
  std::string nonfinite = "refuse";
  int64_t ignore_index = -100;
};

void add_sample_options(CLI::App& command, SampleOptions& options);

// Throws UsageError where files and keys contradict each other.
files::SampleSources sample_sources(const SampleOptions& options);

// Fills in what concerns the samples.
void apply_sample_options(const SampleOptions& options, measure::MeasureOptions& out);

// A run name made of the first file's: "out/digits 3.npz" gives "digits_3".
std::string default_run(const SampleOptions& options);

}  // namespace ncscope::cli
