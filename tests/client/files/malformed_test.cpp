// Every malformed file is refused with a text that names it.
#include <gtest/gtest.h>

#include "client/files/samples.h"
#include "kernels/errors.h"
#include "tests/client/malformed_files.h"
#include "tests/support/arrays.h"

namespace ncscope::files {
namespace {

using testing::MalformedFile;

// Reads a whole data set, and returns the text it was refused with.
std::string refusal_of(const SampleSources& sources) {
  try {
    const SampleSet set(sources);
    set.check_labels(std::nullopt, -100);
    SampleReader reader(set, 3);
    SampleBlock block;
    while (reader.next(block)) {
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_refused(const MalformedFile& file, const std::string& path, const std::string& text) {
  EXPECT_NE(text, "") << file.name << " was taken";
  EXPECT_NE(text.find(file.expected), std::string::npos) << file.name << ": " << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  // One file names itself; labels out of all proportion concern the data set.
  if (file.name != "stray_label") {
    EXPECT_NE(text.find(path), std::string::npos) << text;
  }
}

TEST(Malformed, EveryNpzIsRefused) {
  const testing::TemporaryFolder folder;
  for (const MalformedFile& file : testing::malformed_npz_files()) {
    const auto path = folder / (file.name + ".npz");
    testing::write_file(path, file.bytes);
    SampleSources sources;
    sources.files = {path};
    expect_refused(file, path.string(), refusal_of(sources));
  }
}

TEST(Malformed, EveryNpyIsRefused) {
  const testing::TemporaryFolder folder;
  testing::write_file(folder / "y.npy", testing::good_labels());
  for (const MalformedFile& file : testing::malformed_npy_files()) {
    const auto path = folder / (file.name + ".npy");
    testing::write_file(path, file.bytes);
    SampleSources sources;
    sources.features.npy_files = {path};
    sources.labels.npy_files = {folder / "y.npy"};
    // Without rows, it is the labels that do not fit.
    const bool labels_refused = file.name == "no_rows";
    expect_refused(file, labels_refused ? (folder / "y.npy").string() : path.string(),
                   refusal_of(sources));
  }
}

TEST(Malformed, TheRightFilesBehindTheCasesAreTaken) {
  const testing::TemporaryFolder folder;
  testing::write_zip(folder / "x.npz", {{"features.npy", testing::good_features()},
                                        {"labels.npy", testing::good_labels()}});
  SampleSources sources;
  sources.files = {folder / "x.npz"};
  EXPECT_EQ(refusal_of(sources), "");
}

TEST(Malformed, WhatIsNoRegularFileIsRefused) {
  const testing::TemporaryFolder folder;
  SampleSources sources;
  sources.files = {folder.path()};
  EXPECT_NE(refusal_of(sources).find("directory"), std::string::npos);
  sources.files = {"/dev/zero"};
  EXPECT_NE(refusal_of(sources).find("pipe or device"), std::string::npos);
  sources.files = {folder / "missing.npz"};
  EXPECT_NE(refusal_of(sources).find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace ncscope::files
