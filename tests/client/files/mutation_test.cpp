// Thousands of mutated files: each is read or refused, never a crash, hang or other exception.
// The same mutations every time; tests/fuzz holds the open-ended kind.
#include <gtest/gtest.h>

#include <random>

#include "client/files/samples.h"
#include "kernels/errors.h"
#include "tests/client/malformed_files.h"
#include "tests/support/arrays.h"

namespace ncscope::files {
namespace {

std::string mutated(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  for (size_t i = 0, count = 1 + below(4); i < count && !bytes.empty(); ++i) {
    const size_t at = below(bytes.size());
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes.erase(at, 1 + below(16));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(16)));
        break;
      case 4:
        bytes.resize(at);
        break;
      default:
        bytes[at] = below(2) == 0 ? '\xff' : '\0';
    }
  }
  return bytes;
}

// Whether the data set was read; refusals count, anything else fails the test.
bool is_read(const SampleSources& sources) {
  try {
    const SampleSet set(sources);
    set.check_labels(std::nullopt, -100);
    SampleReader reader(set, 3);
    SampleBlock block;
    while (reader.next(block)) {
    }
    return true;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()), "");
    return false;
  }
}

TEST(Mutation, NpzIsReadOrRefused) {
  const testing::TemporaryFolder folder;
  testing::MemoryFile file;
  std::mt19937 random(20240607);
  size_t read = 0;
  constexpr size_t kFiles = 3000;
  for (const bool deflate : {false, true}) {
    testing::write_zip(folder / "good.npz",
                       {{"features.npy", testing::good_features()},
                        {"labels.npy", testing::good_labels()},
                        {"weight.npy", testing::npy_matrix(std::vector<float>{1, 0, 0, 1}, 2, 2)}},
                       deflate);
    const std::string good = testing::read_file(folder / "good.npz");
    SampleSources sources;
    sources.files = {file.path()};
    for (size_t i = 0; i < kFiles / 2; ++i) {
      file.write(mutated(good, random));
      read += is_read(sources) ? 1 : 0;
    }
  }
  // Mutations that hit padding or values leave a right file; most do not.
  EXPECT_GT(read, 0u);
  EXPECT_LT(read, kFiles / 2);
}

TEST(Mutation, NpyIsReadOrRefused) {
  testing::MemoryFile file;
  testing::MemoryFile labels;
  std::mt19937 random(7);
  labels.write(testing::good_labels());
  SampleSources sources;
  sources.features.npy_files = {file.path()};
  sources.labels.npy_files = {labels.path()};
  size_t read = 0;
  constexpr size_t kFiles = 3000;
  for (size_t i = 0; i < kFiles; ++i) {
    file.write(mutated(testing::good_features(), random));
    read += is_read(sources) ? 1 : 0;
  }
  EXPECT_GT(read, 0u);
  EXPECT_LT(read, kFiles / 2);
}

}  // namespace
}  // namespace ncscope::files
