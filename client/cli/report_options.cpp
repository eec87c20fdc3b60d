#include "client/cli/report_options.h"

#include <charconv>
#include <filesystem>
#include <limits>

#include "client/cli/context.h"
#include "client/output/csv.h"
#include "client/output/document.h"
#include "client/output/report_table.h"
#include "kernels/backend.h"
#include "proto/convert/report.h"

namespace ncscope::cli {
namespace {

// An unsigned number would turn a minus sign into no limit.
std::string refuse_negative(const std::string& text) {
  return text.find('-') == std::string::npos ? "" : "expected a size such as 20GB, got " + text;
}

}  // namespace

void add_output_options(CLI::App& command, OutputOptions& options) {
  command.add_option("--format", options.format, "table, json (the Report message) or csv")
      ->type_name("")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str()
      ->group("Output");
  command.add_option("--output", options.output, "file to write instead of standard output")
      ->type_name("PATH")
      ->group("Output");
  command.add_option("--classes", options.classes, "rows of the table's per-class part, or all")
      ->type_name("N|all")
      ->capture_default_str()
      ->group("Output");
  command
      .add_option("--class-order", options.class_order,
                  "which of them come first: worst (variance over squared distance to the nearest"
                  " class), label, count (rarest) or accuracy (lowest)")
      ->type_name("")
      ->check(CLI::IsMember({"worst", "label", "count", "accuracy"}))
      ->capture_default_str()
      ->group("Output");
}

void add_device_options(CLI::App& command, DeviceChoice& choice) {
  command.add_option("--backend", choice.backend, "device that computes: auto, cpu or cuda")
      ->type_name("")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str()
      ->group("Computation");
  command
      .add_option("--math", choice.math,
                  "what samples are multiplied in: exact (float32, float64 for float64 samples) or"
                  " fp64 (always float64, which pays on data-centre cards)")
      ->type_name("")
      ->check(CLI::IsMember({"exact", "fp64"}))
      ->capture_default_str()
      ->group("Computation");
  command
      .add_option("--device-memory", choice.memory_bytes,
                  "what may be taken of a card's memory, such as 20GB (default: nine tenths of what"
                  " is free), 320MB at least; ignored with --backend cpu")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false))
      ->transform(CLI::Validator(refuse_negative, ""))  // the transformation added last comes first
      ->group("Computation");
}

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  add_device_options(command, options.device);
  command
      .add_option("--weighting", options.weighting,
                  "classes in the global mean and S_B: uniform or by_count")
      ->type_name("")
      ->check(CLI::IsMember({"uniform", "by_count"}))
      ->capture_default_str()
      ->group("Computation");
  command
      .add_option("--spectrum", options.spectrum,
                  "eigenvalues of S_W, S_B and S_T: none, leading (64), all, or auto: leading where"
                  " they cost little beside the samples")
      ->type_name("")
      ->check(CLI::IsMember({"auto", "none", "leading", "all"}))
      ->capture_default_str()
      ->group("Computation");
  command
      .add_flag("--exact-pairs", options.exact_pairs,
                "pair metrics from all pairs of classes, however many there are")
      ->group("Computation");
  command
      .add_flag("--standard-errors", options.standard_errors,
                "of nc1.pinv, quotient and cdnv, by leaving out files, ranks or groups of rows in"
                " turn")
      ->group("Computation");
  command
      .add_flag("--margin", options.one_vs_rest_margin,
                "one_vs_rest_margin of means and classifier, for up to 20,000 classes")
      ->group("Computation");
  command
      .add_option("--profile", options.profile,
                  "whose numbers to add by their own conventions: default (nobody's), papyan,"
                  " geometric, linguistic or rw")
      ->type_name("")
      ->check(CLI::IsMember({"default", "papyan", "geometric", "linguistic", "rw"}))
      ->capture_default_str()
      ->group("Computation");
}

void add_series_options(CLI::App& command, SeriesOptions& options) {
  command.add_option("--run", options.run, "name of the run (default: that of the first file)")
      ->type_name("NAME")
      ->group("Series");
  command.add_option("--epoch", options.epoch, "epoch")
      ->type_name("E")
      ->capture_default_str()
      ->group("Series");
  command.add_option("--split", options.split, "split")
      ->type_name("S")
      ->capture_default_str()
      ->group("Series");
  command.add_option("--layer", options.layer, "layer")
      ->type_name("L")
      ->capture_default_str()
      ->group("Series");
  command
      .add_option("--attempt", options.attempt,
                  "attempt at the epoch; a higher one replaces what a server has")
      ->type_name("A")
      ->capture_default_str()
      ->group("Series");
}

std::unique_ptr<Device> open_device(const DeviceChoice& choice) {
  DeviceOptions options{.backend = parse_backend(choice.backend), .math = parse_math(choice.math)};
  if (choice.memory_bytes && options.backend != Backend::kCpu) {
    options.memory_bytes = *choice.memory_bytes;
    const std::string why = why_not_memory(options.memory_bytes, 1);
    if (!why.empty()) throw UsageError("--device-memory: " + why);
  }
  return make_device(options);
}

void apply_compute_options(const ComputeOptions& options, measure::MeasureOptions& out) {
  out.report.weighting = parse_weighting(options.weighting);
  out.report.spectrum = parse_spectrum(options.spectrum);
  out.report.exact_pairs = options.exact_pairs;
  out.report.standard_errors = options.standard_errors;
  out.report.one_vs_rest_margin = options.one_vs_rest_margin;
  out.report.profile = parse_profile(options.profile);
}

void apply_series_options(const SeriesOptions& options, const std::string& default_run,
                          measure::MeasureOptions& out) {
  out.key.set_run(options.run.empty() ? default_run : options.run);
  out.key.set_epoch(options.epoch);
  out.key.set_split(options.split);
  out.key.set_layer(options.layer);
  out.attempt = options.attempt;
}

size_t max_classes(const OutputOptions& options) {
  const std::string& text = options.classes;
  if (text == "all") return std::numeric_limits<size_t>::max();
  size_t rows = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), rows);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    throw UsageError("--classes: expected a number or all, got " + text);
  }
  return rows;
}

std::optional<std::filesystem::path> output_path(const OutputOptions& options) {
  if (options.output.empty()) return std::nullopt;
  return options.output;
}

void write_report(const v1::Report& report, const OutputOptions& options) {
  std::string text;
  if (options.format == "json") {
    text = report_to_json(report, true);
    if (!text.ends_with('\n')) text += '\n';
  } else if (options.format == "csv") {
    text = output::csv_header() + output::csv_row(report);
  } else {
    const output::Style style = options.output.empty() ? output::terminal_style() : output::Style{};
    text = output::report_table(report, max_classes(options),
                                output::parse_class_order(options.class_order), style);
  }
  output::write_document(text, output_path(options));
}

}  // namespace ncscope::cli
