#include "tests/support/arrays.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace ncscope::testing {

std::string npy_from_header(std::string_view dictionary, std::string_view data) {
  std::string header(dictionary);
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  return out + header + std::string(data);
}

std::string npy(std::string_view descr, const std::vector<uint64_t>& shape, std::string_view data,
                bool fortran_order) {
  std::string dims;
  for (const uint64_t dim : shape) dims += std::to_string(dim) + ", ";
  if (shape.size() > 1) dims.resize(dims.size() - 2);
  if (shape.size() == 1) dims.resize(dims.size() - 1);
  return npy_from_header("{'descr': '" + std::string(descr) + "', 'fortran_order': " +
                             (fortran_order ? "True" : "False") + ", 'shape': (" + dims + "), }",
                         data);
}

std::string npy_matrix(const std::vector<float>& values, uint64_t rows, uint64_t cols) {
  return npy("<f4", {rows, cols}, raw(values));
}

std::string npy_matrix(const std::vector<double>& values, uint64_t rows, uint64_t cols) {
  return npy("<f8", {rows, cols}, raw(values));
}

std::string npy_vector(const std::vector<int64_t>& values) {
  return npy("<i8", {values.size()}, raw(values));
}

std::string npy_vector(const std::vector<float>& values) {
  return npy("<f4", {values.size()}, raw(values));
}

std::string npy_vector(const std::vector<double>& values) {
  return npy("<f8", {values.size()}, raw(values));
}

void write_zip(const std::filesystem::path& path, const std::vector<ZipEntry>& entries,
               bool deflate) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!archive) throw std::runtime_error("write_zip: cannot create " + path.string());
  for (const ZipEntry& entry : entries) {
    zip_source_t* source = zip_source_buffer(archive, entry.bytes.data(), entry.bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, entry.name.c_str(), source, 0);
    if (index < 0) throw std::runtime_error("write_zip: cannot add " + entry.name);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index),
                             deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  if (zip_close(archive) != 0) throw std::runtime_error("write_zip: cannot write");
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("write_file: cannot write " + path.string());
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("read_file: cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

MemoryFile::MemoryFile() : fd_(::memfd_create("ncscope-test", MFD_CLOEXEC)) {
  if (fd_ < 0) throw std::runtime_error("memfd_create failed");
}

MemoryFile::~MemoryFile() { ::close(fd_); }

std::filesystem::path MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(fd_); }

void MemoryFile::write(std::string_view bytes) {
  const bool written = ::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, bytes.data(), bytes.size(), 0) ==
                                                       static_cast<ssize_t>(bytes.size());
  if (!written) throw std::runtime_error("cannot write a file in memory");
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "ncscope-test-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed for " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace ncscope::testing
