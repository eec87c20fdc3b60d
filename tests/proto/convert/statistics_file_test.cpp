#include "proto/convert/statistics_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "kernels/errors.h"
#include "tests/proto/convert/sample_bundle.h"

namespace ncscope {
namespace {

class StatisticsFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ncstatsXXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path path() const { return folder_ / "part.ncstats"; }

  std::string contents() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
  }

  std::filesystem::path folder_;
};

TEST_F(StatisticsFile, ComesBackToTheBitAndLeavesNothingElseBehind) {
  save_statistics(path(), sample_bundle());
  const StatisticsBundle back = load_statistics(path());
  EXPECT_EQ(back.statistics.scatter, sample_bundle().statistics.scatter);
  EXPECT_EQ(back.statistics.means, sample_bundle().statistics.means);
  EXPECT_EQ(back.classifier->bias, sample_bundle().classifier->bias);
  EXPECT_FALSE(back.decisions);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(StatisticsFile, KeepsDecisions) {
  save_statistics(path(), decided_bundle());
  const StatisticsBundle back = load_statistics(path());
  ASSERT_TRUE(back.decisions);
  EXPECT_EQ(back.decisions->centers_epoch, 6u);
  EXPECT_EQ(back.decisions->classifier_correct, decided_bundle().decisions->classifier_correct);
}

TEST_F(StatisticsFile, CutAnywhereIsRefusedByName) {
  save_statistics(path(), decided_bundle());
  const std::string whole = contents();
  for (size_t length = 0; length < whole.size(); ++length) {
    write(whole.substr(0, length));
    try {
      load_statistics(path());
      FAIL() << "accepted the first " << length << " bytes of " << whole.size();
    } catch (const DataLoss& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("part.ncstats")) << length;
    }
  }
}

TEST_F(StatisticsFile, ABitFlippedAnywhereIsNoticed) {
  save_statistics(path(), sample_bundle());
  const std::string whole = contents();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string altered = whole;
    altered[i] ^= static_cast<char>(1 << (i % 8));
    write(altered);
    EXPECT_THROW(load_statistics(path()), DataLoss) << "byte " << i;
  }
}

TEST_F(StatisticsFile, SaysWhichFileCannotBeOpenedOrWritten) {
  try {
    load_statistics(folder_ / "absent.ncstats");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("absent.ncstats"));
  }
  EXPECT_THROW(save_statistics(folder_ / "no" / "folder.ncstats", sample_bundle()), Error);
}

}  // namespace
}  // namespace ncscope
