#include "server/log/file_io.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ncscope::server {

OpenFile::~OpenFile() { ::close(number); }

int write_at(int file, uint64_t offset, const void* data, size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file, next, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written < 0 ? errno : ENOSPC;
    next += written;
    offset += static_cast<uint64_t>(written);
    bytes -= static_cast<size_t>(written);
  }
  return 0;
}

int read_at(int file, uint64_t offset, void* data, size_t bytes) {
  char* next = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = ::pread(file, next, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : kFileEnds;
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return 0;
}

std::string read_error_text(int error) {
  return error == kFileEnds ? "the file is shorter than what was written" : std::strerror(error);
}

}  // namespace ncscope::server
