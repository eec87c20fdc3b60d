// Writes .npy and .npz files for tests: right ones, and wrong ones on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ncscope::testing {

// Bytes of a .npy of version 1.0 with this header text and these element bytes.
std::string npy_from_header(std::string_view dictionary, std::string_view data);

// Bytes of a .npy: `descr` such as "<f4", elements as they lie in memory.
std::string npy(std::string_view descr, const std::vector<uint64_t>& shape, std::string_view data,
                bool fortran_order = false);

// The little-endian bytes of some values.
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// .npy bytes of common arrays.
std::string npy_matrix(const std::vector<float>& values, uint64_t rows, uint64_t cols);
std::string npy_matrix(const std::vector<double>& values, uint64_t rows, uint64_t cols);
std::string npy_vector(const std::vector<int64_t>& values);
std::string npy_vector(const std::vector<float>& values);
std::string npy_vector(const std::vector<double>& values);

struct ZipEntry {
  std::string name;  // with ".npy"
  std::string bytes;
};

// Writes a zip archive with these members.
void write_zip(const std::filesystem::path& path, const std::vector<ZipEntry>& entries,
               bool deflate = false);

void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

// A file in memory that has a path; much faster than one on disk where thousands are written.
class MemoryFile {
 public:
  MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile();
  std::filesystem::path path() const;
  // Replaces what it holds.
  void write(std::string_view bytes);

 private:
  int fd_;
};

// A folder that is removed with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace ncscope::testing
