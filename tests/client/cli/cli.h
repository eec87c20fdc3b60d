// Helpers for tests of the real `ncscope` binary.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ncscope/v1/report.pb.h"
#include "tests/support/arrays.h"
#include "tests/support/command.h"
#include "tests/support/samples.h"

namespace ncscope::testing {

// Runs `ncscope` with these arguments.
CommandResult run_cli(std::vector<std::string> arguments, const Environment& environment = {});

// Runs it and expects success; returns standard output.
std::string cli_output(std::vector<std::string> arguments, const Environment& environment = {});

// `ncscope report ... --format json`, parsed.
v1::Report cli_report(std::vector<std::string> arguments, const Environment& environment = {});

// Expects this exit status, nothing on standard output, and one line on standard error that
// contains `text`.
void expect_refusal(const CommandResult& result, int status, const std::string& text);

// The programs: where they were built, or in the folder that NCSCOPE_TEST_PROGRAMS names.
std::string cli_program();
std::string server_program();

// Samples of clusters, rows [first, first + count), as the .npz members features and labels.
std::vector<ZipEntry> sample_entries(const test::Samples& samples, size_t first, size_t count);

// Weight [K, d] and bias [K] with a fixed pattern, of the samples' type.
std::vector<ZipEntry> classifier_entries(const test::Samples& samples);

// Expects every number of two reports to agree to a relative error, per-class tables included.
void expect_same_numbers(const v1::Report& expected, const v1::Report& got, double tolerance,
                         const std::vector<std::string>& without = {});

}  // namespace ncscope::testing
