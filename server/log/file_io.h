// Files, and whole reads and writes at a place of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ncscope::server {

// A descriptor, shared by all who use the file and closed by the last one.
class OpenFile {
 public:
  explicit OpenFile(int descriptor) : number(descriptor) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();
  const int number;
};

// 0, or an errno; ENOSPC where the system writes nothing and says nothing.
int write_at(int file, uint64_t offset, const void* data, size_t bytes);

// 0, an errno, or kFileEnds.
inline constexpr int kFileEnds = -1;
int read_at(int file, uint64_t offset, void* data, size_t bytes);
// What that is, for people.
std::string read_error_text(int error);

}  // namespace ncscope::server
