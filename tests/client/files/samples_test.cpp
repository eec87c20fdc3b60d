// Data sets over one file, several files, and .npy files.
#include "client/files/samples.h"

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/errors.h"
#include "tests/support/arrays.h"

namespace ncscope::files {
namespace {

using testing::npy_matrix;
using testing::npy_vector;
using testing::TemporaryFolder;
using testing::write_zip;
using testing::ZipEntry;

ZipEntry features_entry(const std::vector<float>& values) {
  return {"features.npy", npy_matrix(values, values.size() / 2, 2)};
}

ZipEntry labels_entry(const std::vector<int64_t>& values) {
  return {"labels.npy", npy_vector(values)};
}

ZipEntry weight_entry(float first) {
  return {"weight.npy", npy_matrix(std::vector<float>{first, 0, 0, 1, 1, 1}, 3, 2)};
}

std::string refusal_of_set(const SampleSources& sources, std::optional<size_t> classes = {}) {
  try {
    SampleSet(sources).check_labels(classes, -100);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

TEST(Samples, ShardsAreReadInOrderAsOneDataSet) {
  const TemporaryFolder folder;
  write_zip(folder / "a.npz", {features_entry({0, 1, 2, 3, 4, 5}), labels_entry({0, 1, 0})});
  write_zip(folder / "b.npz", {features_entry({6, 7}), labels_entry({2}), weight_entry(1)});
  SampleSources sources;
  sources.files = {folder / "a.npz", folder / "b.npz"};
  const SampleSet set(sources);
  EXPECT_EQ(set.samples(), 4u);
  EXPECT_EQ(set.dim(), 2u);
  ASSERT_TRUE(set.classifier());
  EXPECT_EQ(set.check_labels(std::nullopt, -100), 3u);

  SampleReader reader(set, 2);
  SampleBlock block;
  std::vector<float> features;
  std::vector<int64_t> labels;
  std::vector<uint64_t> first_rows;
  while (reader.next(block)) {
    const size_t before = features.size();
    features.resize(before + block.rows * 2);
    std::memcpy(features.data() + before, block.features.data(), block.features.size());
    labels.insert(labels.end(), block.labels.begin(), block.labels.end());
    first_rows.push_back(block.first_row);
  }
  EXPECT_EQ(features, (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(labels, (std::vector<int64_t>{0, 1, 0, 2}));
  EXPECT_EQ(first_rows, (std::vector<uint64_t>{0, 2, 0}));
}

TEST(Samples, ClassifierMayLieInAFileOfItsOwnOrInSeveralThatAgree) {
  const TemporaryFolder folder;
  write_zip(folder / "a.npz", {features_entry({0, 1}), labels_entry({0}), weight_entry(1)});
  write_zip(folder / "b.npz", {weight_entry(1)});
  write_zip(folder / "c.npz", {weight_entry(2)});
  SampleSources sources;
  sources.files = {folder / "a.npz", folder / "b.npz"};
  EXPECT_EQ(SampleSet(sources).classifier()->num_classes, 3u);
  sources.files.push_back(folder / "c.npz");
  EXPECT_NE(refusal_of_set(sources).find("expected the same weight as in"), std::string::npos);
  sources.files = {folder / "b.npz"};
  EXPECT_NE(refusal_of_set(sources).find("expected features"), std::string::npos);
}

TEST(Samples, NumberOfClassesIsDeclaredOrRowsOfWeightOrLargestIndex) {
  const TemporaryFolder folder;
  write_zip(folder / "a.npz", {features_entry({0, 1, 2, 3}), labels_entry({0, 4})});
  SampleSources sources;
  sources.files = {folder / "a.npz"};
  EXPECT_EQ(SampleSet(sources).check_labels(std::nullopt, -100), 5u);
  EXPECT_EQ(SampleSet(sources).check_labels(8, -100), 8u);
  EXPECT_NE(refusal_of_set(sources, 4).find("row 1: expected a label in [0, 4), got 4"),
            std::string::npos);
  // The ignored label is no class.
  EXPECT_EQ(SampleSet(sources).check_labels(std::nullopt, 4), 1u);
  write_zip(folder / "p.npz", {features_entry({0, 1}),
                               labels_entry({0}),
                               {"predictions.npy", npy_vector(std::vector<int64_t>{6})}});
  sources.files = {folder / "p.npz"};
  EXPECT_EQ(SampleSet(sources).check_labels(std::nullopt, -100), 7u);
  write_zip(folder / "w.npz", {features_entry({0, 1}), labels_entry({0}), weight_entry(1)});
  sources.files = {folder / "w.npz"};
  EXPECT_EQ(SampleSet(sources).check_labels(std::nullopt, -100), 3u);
  EXPECT_NE(refusal_of_set(sources, 5).find("expected a weight of 5 rows"), std::string::npos);
}

TEST(Samples, ShardsMustAgree) {
  const TemporaryFolder folder;
  write_zip(folder / "a.npz", {features_entry({0, 1}), labels_entry({0})});
  write_zip(folder / "d.npz",
            {{"features.npy", npy_matrix(std::vector<float>{1, 2, 3}, 1, 3)}, labels_entry({0})});
  write_zip(folder / "t.npz",
            {{"features.npy", npy_matrix(std::vector<double>{1, 2}, 1, 2)}, labels_entry({0})});
  write_zip(folder / "p.npz", {features_entry({0, 1}),
                               labels_entry({0}),
                               {"predictions.npy", npy_vector(std::vector<int64_t>{0})}});
  SampleSources sources;
  sources.files = {folder / "a.npz", folder / "d.npz"};
  EXPECT_NE(refusal_of_set(sources).find("float32 features of d = 2"), std::string::npos);
  sources.files = {folder / "a.npz", folder / "t.npz"};
  EXPECT_NE(refusal_of_set(sources).find("got float64 of d = 2"), std::string::npos);
  sources.files = {folder / "a.npz", folder / "p.npz"};
  EXPECT_NE(refusal_of_set(sources).find("in every file or in none"), std::string::npos);
}

TEST(Samples, NpyFilesComeInPairs) {
  const TemporaryFolder folder;
  testing::write_file(folder / "x0.npy", npy_matrix(std::vector<float>{0, 1, 2, 3}, 2, 2));
  testing::write_file(folder / "x1.npy", npy_matrix(std::vector<float>{4, 5}, 1, 2));
  testing::write_file(folder / "y0.npy", npy_vector(std::vector<int64_t>{0, 1}));
  testing::write_file(folder / "y1.npy", npy_vector(std::vector<int64_t>{1}));
  testing::write_file(folder / "w.npy", npy_matrix(std::vector<float>{1, 0, 0, 1}, 2, 2));
  SampleSources sources;
  sources.features.npy_files = {folder / "x0.npy", folder / "x1.npy"};
  sources.labels.npy_files = {folder / "y0.npy", folder / "y1.npy"};
  sources.weight.npy_files = {folder / "w.npy"};
  const SampleSet set(sources);
  EXPECT_EQ(set.samples(), 3u);
  EXPECT_EQ(set.check_labels(std::nullopt, -100), 2u);
  sources.labels.npy_files.pop_back();
  EXPECT_NE(refusal_of_set(sources).find("got 1"), std::string::npos);
}

TEST(Samples, AnArrayAskedForByNameMustBeThere) {
  const TemporaryFolder folder;
  write_zip(folder / "a.npz", {features_entry({0, 1}), labels_entry({0})});
  SampleSources sources;
  sources.files = {folder / "a.npz"};
  EXPECT_EQ(refusal_of_set(sources), "");
  sources.weight = {"fc.weight", true, {}};
  EXPECT_NE(refusal_of_set(sources).find("'fc.weight'"), std::string::npos);
  sources.weight = {"weight", false, {}};
  sources.predictions = {"guess", true, {}};
  EXPECT_NE(refusal_of_set(sources).find("'guess'"), std::string::npos);
}

}  // namespace
}  // namespace ncscope::files
