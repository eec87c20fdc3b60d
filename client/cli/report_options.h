// Options that say what is computed, where, and how it is shown.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "client/measure/options.h"
#include "kernels/device.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::cli {

struct OutputOptions {
  std::string format = "table";
  std::string output;          // empty: standard output
  std::string classes = "10";  // a number, or "all"
  std::string class_order = "worst";
};

struct DeviceChoice {
  std::string backend = "auto";
  std::string math = "exact";
  std::optional<size_t> memory_bytes;  // of a card; absent: nine tenths of what is free
};

struct ComputeOptions {
  DeviceChoice device;
  std::string weighting = "uniform";
  std::string spectrum = "auto";
  bool exact_pairs = false;
  bool standard_errors = false;
  bool one_vs_rest_margin = false;
  std::string profile = "default";
};

struct SeriesOptions {
  std::string run;
  uint32_t epoch = 0;
  std::string split = "train";
  std::string layer = "features";
  uint32_t attempt = 0;
};

void add_output_options(CLI::App& command, OutputOptions& options);
void add_device_options(CLI::App& command, DeviceChoice& choice);
// With add_device_options().
void add_compute_options(CLI::App& command, ComputeOptions& options);
void add_series_options(CLI::App& command, SeriesOptions& options);

// Throws BackendUnavailable.
std::unique_ptr<Device> open_device(const DeviceChoice& choice);

void apply_compute_options(const ComputeOptions& options, measure::MeasureOptions& out);
void apply_series_options(const SeriesOptions& options, const std::string& default_run,
                          measure::MeasureOptions& out);

// Rows of the per-class table. Throws UsageError.
size_t max_classes(const OutputOptions& options);

// Writes one report in the format and to the place that were asked for.
void write_report(const v1::Report& report, const OutputOptions& options);

// Where output goes; nothing for standard output.
std::optional<std::filesystem::path> output_path(const OutputOptions& options);

}  // namespace ncscope::cli
