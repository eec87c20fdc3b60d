#include "tests/client/cli/cli.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "client/output/fields.h"
#include "proto/convert/report.h"

namespace ncscope::testing {
namespace {

std::string_view text_of_bytes(const std::vector<std::byte>& bytes, size_t first, size_t count) {
  return {reinterpret_cast<const char*>(bytes.data()) + first, count};
}

const char* type_descr(DType type) {
  if (type == DType::kFloat16) return "<f2";
  return type == DType::kFloat64 ? "<f8" : "<f4";
}

void expect_near(const std::string& what, double expected, double got, double tolerance) {
  // A sum over samples that cancels has an error relative to its terms, which are of size 1 here.
  const double scale = std::max({std::abs(expected), std::abs(got), 1e-3});
  EXPECT_LE(std::abs(expected - got), tolerance * scale) << what << ": " << expected << ", " << got;
}

std::string program(const std::string& name, const char* built) {
  const char* const folder = std::getenv("NCSCOPE_TEST_PROGRAMS");
  return folder == nullptr ? built : std::string(folder) + "/" + name;
}

bool is_metric(const std::string& path) { return path.starts_with("nc"); }

}  // namespace

CommandResult run_cli(std::vector<std::string> arguments, const Environment& environment) {
  arguments.insert(arguments.begin(), cli_program());
  return run_command(arguments, environment);
}

std::string cli_output(std::vector<std::string> arguments, const Environment& environment) {
  const CommandResult result = run_cli(std::move(arguments), environment);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

v1::Report cli_report(std::vector<std::string> arguments, const Environment& environment) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const std::string json = cli_output(std::move(arguments), environment);
  return json.empty() ? v1::Report() : report_from_json(json);
}

void expect_refusal(const CommandResult& result, int status, const std::string& text) {
  EXPECT_EQ(result.status, status) << result.out << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  EXPECT_TRUE(result.err.ends_with('\n'));
  EXPECT_TRUE(result.err.starts_with("ncscope: ")) << result.err;
}

std::string cli_program() { return program("ncscope", NCSCOPE_CLI_PROGRAM); }
std::string server_program() { return program("ncscope-server", NCSCOPE_SERVER_PROGRAM); }

std::vector<ZipEntry> sample_entries(const test::Samples& samples, size_t first, size_t count) {
  const size_t row_bytes = samples.dim * dtype_size(samples.type);
  const std::vector<int32_t> labels(samples.labels.begin() + static_cast<long>(first),
                                    samples.labels.begin() + static_cast<long>(first + count));
  return {{"features.npy", npy(type_descr(samples.type), {count, samples.dim},
                               text_of_bytes(samples.bytes, first * row_bytes, count * row_bytes))},
          {"labels.npy", npy("<i4", {count}, raw(labels))}};
}

std::vector<ZipEntry> classifier_entries(const test::Samples& samples) {
  std::vector<double> weight(samples.num_classes * samples.dim);
  std::vector<double> bias(samples.num_classes);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = std::sin(static_cast<double>(i + 1));
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = 0.125 * static_cast<double>(i % 5);
  return {{"weight.npy", npy_matrix(weight, samples.num_classes, samples.dim)},
          {"bias.npy", npy_vector(bias)}};
}

void expect_same_numbers(const v1::Report& expected, const v1::Report& got, double tolerance,
                         const std::vector<std::string>& without) {
  for (const std::string& path : output::leaf_paths()) {
    if (!is_metric(path) || std::ranges::find(without, path) != without.end()) continue;
    const std::string a = output::text_at(expected, path);
    const std::string b = output::text_at(got, path);
    ASSERT_EQ(a.empty(), b.empty()) << path << ": '" << a << "', '" << b << "'";
    if (a.empty() || a == b) continue;
    ASSERT_NE(a.find_first_of("0123456789"), std::string::npos) << path << ": " << a << ", " << b;
    expect_near(path, std::stod(a), std::stod(b), tolerance);
  }
  EXPECT_EQ(expected.data().samples(), got.data().samples());
  ASSERT_EQ(expected.classes_size(), got.classes_size());
  for (int i = 0; i < expected.classes_size(); ++i) {
    const v1::ClassReport& a = expected.classes(i);
    const v1::ClassReport& b = got.classes(i);
    const std::string name = "classes[" + std::to_string(i) + "]";
    EXPECT_EQ(a.label(), b.label());
    EXPECT_EQ(a.count(), b.count());
    expect_near(name + ".within_variance", a.within_variance(), b.within_variance(), tolerance);
    expect_near(name + ".mean_norm", a.mean_norm(), b.mean_norm(), tolerance);
    expect_near(name + ".cosine", a.cosine(), b.cosine(), tolerance);
    EXPECT_EQ(a.nearest_class(), b.nearest_class());
  }
}

}  // namespace ncscope::testing
