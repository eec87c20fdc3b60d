// Every element type, byte order and memory order that numpy writes is read right, in blocks.
#include "client/files/array_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "client/files/array_file.h"
#include "client/files/values.h"
#include "kernels/errors.h"
#include "tests/support/arrays.h"

namespace ncscope::files {
namespace {

constexpr uint64_t kRows = 7;
constexpr uint64_t kCols = 3;

// Element (r, c) is 10 r + c.
template <class T>
std::string elements(bool column_major, bool big_endian) {
  std::vector<T> values(kRows * kCols);
  for (uint64_t r = 0; r < kRows; ++r) {
    for (uint64_t c = 0; c < kCols; ++c) {
      values[column_major ? c * kRows + r : r * kCols + c] = static_cast<T>(10 * r + c);
    }
  }
  std::string bytes = testing::raw(values);
  if (big_endian) {
    for (size_t i = 0; i < bytes.size(); i += sizeof(T)) {
      std::reverse(bytes.begin() + static_cast<long>(i),
                   bytes.begin() + static_cast<long>(i + sizeof(T)));
    }
  }
  return bytes;
}

template <class T>
std::vector<T> read_all(ArrayReader reader, size_t block_rows) {
  std::vector<T> values;
  std::vector<T> block(block_rows * kCols);
  while (const size_t rows =
             reader.read_rows(block_rows, reinterpret_cast<std::byte*>(block.data()))) {
    values.insert(values.end(), block.begin(), block.begin() + static_cast<long>(rows * kCols));
  }
  return values;
}

// Reads the array from a .npy, a stored and a deflated .npz, in blocks of several sizes.
template <class T>
void expect_read(const std::string& kind) {
  const testing::TemporaryFolder folder;
  std::vector<T> expected;
  for (uint64_t i = 0; i < kRows * kCols; ++i) {
    expected.push_back(static_cast<T>(10 * (i / kCols) + i % kCols));
  }
  for (const bool column_major : {false, true}) {
    for (const bool big_endian : {false, true}) {
      const std::string descr = (big_endian ? ">" : "<") + kind;
      const std::string bytes =
          testing::npy(descr, {kRows, kCols}, elements<T>(column_major, big_endian), column_major);
      testing::write_file(folder / "x.npy", bytes);
      testing::write_zip(folder / "x.npz", {{"x.npy", bytes}});
      testing::write_zip(folder / "z.npz", {{"x.npy", bytes}}, true);
      for (const size_t block : {1, 2, 7, 100}) {
        EXPECT_EQ(read_all<T>(open_array_file(folder / "x.npy")->open(""), block), expected);
        EXPECT_EQ(read_all<T>(open_array_file(folder / "x.npz")->open("x"), block), expected);
        EXPECT_EQ(read_all<T>(open_array_file(folder / "z.npz")->open("x"), block), expected)
            << descr << (column_major ? " column-major" : "");
      }
    }
  }
}

TEST(ArrayReader, ReadsEveryElementType) {
  expect_read<int8_t>("i1");
  expect_read<uint8_t>("u1");
  expect_read<int16_t>("i2");
  expect_read<uint16_t>("u2");
  expect_read<int32_t>("i4");
  expect_read<uint32_t>("u4");
  expect_read<int64_t>("i8");
  expect_read<uint64_t>("u8");
  expect_read<float>("f4");
  expect_read<double>("f8");
}

TEST(ArrayReader, KeepsFloat16) {
  const testing::TemporaryFolder folder;
  const std::vector<uint16_t> bits = {0x3c00, 0xc000, 0x0001, 0x7bff};  // 1, -2, 2^-24, 65504
  testing::write_file(folder / "x.npy", testing::npy("<f2", {2, 2}, testing::raw(bits)));
  ArrayReader reader = open_array_file(folder / "x.npy")->open("");
  EXPECT_EQ(reader.type().name(), "float16");
  EXPECT_EQ(read_doubles(reader), (std::vector<double>{1, -2, 0x1p-24, 65504}));
}

TEST(ArrayReader, TakesEveryHeaderVersion) {
  const testing::TemporaryFolder folder;
  const std::string first = testing::npy_matrix(std::vector<float>{1, 2}, 1, 2);
  for (const char major : {'\x02', '\x03'}) {
    std::string later = first.substr(0, 6) + major + std::string(1, '\0') + first.substr(8, 2) +
                        std::string(2, '\0') + first.substr(10);
    testing::write_file(folder / "x.npy", later);
    ArrayReader reader = open_array_file(folder / "x.npy")->open("");
    EXPECT_EQ(read_doubles(reader), (std::vector<double>{1, 2}));
  }
}

TEST(ArrayReader, ReadsLabelsOfEveryWidth) {
  const testing::TemporaryFolder folder;
  const std::vector<int64_t> expected = {3, 0, -100, 5};
  const auto expect_labels = [&](const char* descr, const std::string& bytes) {
    testing::write_file(folder / "y.npy", testing::npy(descr, {4}, bytes));
    IndexReader reader(open_array_file(folder / "y.npy")->open(""), "labels");
    std::vector<int64_t> labels;
    EXPECT_EQ(reader.read(10, labels), 4u);
    EXPECT_EQ(labels, expected) << descr;
    EXPECT_EQ(reader.read(10, labels), 0u);
  };
  expect_labels("|i1", testing::raw<int8_t>({3, 0, -100, 5}));
  expect_labels("<i2", testing::raw<int16_t>({3, 0, -100, 5}));
  expect_labels("<i4", testing::raw<int32_t>({3, 0, -100, 5}));
  expect_labels("<i8", testing::raw<int64_t>({3, 0, -100, 5}));
}

TEST(ArrayReader, ReadsEmptyAndScalarArrays) {
  const testing::TemporaryFolder folder;
  testing::write_file(folder / "x.npy", testing::npy("<f4", {0, 4}, ""));
  ArrayReader empty = open_array_file(folder / "x.npy")->open("");
  EXPECT_EQ(empty.read_rows(5, nullptr), 0u);
  testing::write_file(folder / "x.npy", testing::npy("<f8", {}, testing::raw<double>({2.5})));
  ArrayReader scalar = open_array_file(folder / "x.npy")->open("");
  EXPECT_EQ(read_doubles(scalar), std::vector<double>{2.5});
}

TEST(ArrayReader, NamesTheArraysOfAFile) {
  const testing::TemporaryFolder folder;
  const std::string one = testing::npy_vector(std::vector<float>{1});
  testing::write_zip(folder / "x.npz",
                     {{"layer4/features.npy", one}, {"readme.txt", "text"}, {"labels.npy", one}});
  const auto file = open_array_file(folder / "x.npz");
  EXPECT_EQ(file->names(), (std::vector<std::string>{"layer4/features", "labels"}));
  EXPECT_TRUE(file->has("labels"));
  EXPECT_FALSE(file->has("readme.txt"));
  EXPECT_THROW(file->open("features"), InvalidArgument);
}

}  // namespace
}  // namespace ncscope::files
