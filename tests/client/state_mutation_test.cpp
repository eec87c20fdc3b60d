// Mutated .ncstats files, with and without right checksums: each is read or refused.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "client/measure/local.h"
#include "kernels/backend.h"
#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "proto/convert/statistics_file.h"
#include "tests/client/malformed_files.h"
#include "tests/support/arrays.h"

namespace ncscope {
namespace {

std::string good_state(const testing::TemporaryFolder& folder) {
  testing::write_zip(folder / "x.npz",
                     {{"features.npy", testing::good_features()},
                      {"labels.npy", testing::good_labels()},
                      {"weight.npy", testing::npy_matrix(std::vector<float>{1, 0, 0, 1}, 2, 2)}});
  files::SampleSources sources;
  sources.files = {folder / "x.npz"};
  const auto device = make_device(Backend::kCpu);
  save_statistics(folder / "x.ncstats",
                  measure::local_statistics(*device, files::SampleSet(sources), {}));
  return testing::read_file(folder / "x.ncstats");
}

// Overwrites the checksum of every whole record, so that what is behind it gets tested.
void make_checksums_right(std::string& file) {
  for (size_t at = 8; at + 8 <= file.size();) {
    uint32_t length = 0;
    std::memcpy(&length, file.data() + at, sizeof length);
    if (length > file.size() - at - 8) return;
    const uint32_t checksum = crc32c(file.data() + at + 8, length);
    std::memcpy(file.data() + at + 4, &checksum, sizeof checksum);
    at += 8 + length;
  }
}

TEST(StateMutation, NcstatsIsReadOrRefused) {
  const testing::TemporaryFolder folder;
  testing::MemoryFile file;
  const std::string good = good_state(folder);
  std::mt19937 random(99);
  size_t read = 0;
  constexpr size_t kFiles = 4000;
  for (size_t i = 0; i < kFiles; ++i) {
    std::string bytes = good;
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    if (i % 8 == 0) bytes.resize(random() % bytes.size());
    if (i % 4 != 1) make_checksums_right(bytes);
    file.write(bytes);
    try {
      load_statistics(file.path()).statistics.check();
      ++read;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "");
    }
  }
  // A changed value is a right state; a changed shape is not.
  EXPECT_GT(read, 0u);
  EXPECT_LT(read, kFiles);
}

}  // namespace
}  // namespace ncscope
