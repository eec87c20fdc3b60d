#include "server/log/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "server/log/file_io.h"

namespace ncscope::server {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw Error(path.string() + ": " + what + ": " + std::strerror(errno));
}

}  // namespace

LogReader::LogReader(const std::filesystem::path& path) : path_(path) {
  file_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file_ < 0) fail(path, "cannot open");
  struct stat status {};
  if (::fstat(file_, &status) != 0) {
    ::close(file_);
    fail(path, "cannot read");
  }
  file_bytes_ = static_cast<uint64_t>(status.st_size);
}

LogReader::~LogReader() {
  if (file_ >= 0) ::close(file_);
}

bool LogReader::read(uint64_t offset, void* out, size_t bytes) const {
  const int error = read_at(file_, offset, out, bytes);
  if (error != 0 && error != kFileEnds) {
    throw Error(path_.string() + ": cannot read: " + read_error_text(error));
  }
  return error == 0;
}

std::optional<LogReader::Record> LogReader::next() {
  if (!damage_.empty() || next_ == file_bytes_) return std::nullopt;
  const auto ended = [&](const char* why) {
    damage_ = std::string(why) + " at byte " + std::to_string(next_) + " of " +
              std::to_string(file_bytes_);
    return std::nullopt;
  };
  RecordHeader header;
  const uint64_t left = file_bytes_ - next_;
  if (left < sizeof(header) || !read(next_, &header, sizeof(header))) {
    return ended("a record is cut short");
  }
  const auto type = check_header(header);
  if (!type) return ended("the header of a record is damaged");
  if (header.body_bytes > left - sizeof(header)) return ended("a record is cut short");
  buffer_.resize((header.body_bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t));
  if (!read(next_ + sizeof(header), buffer_.data(), header.body_bytes)) {
    return ended("a record is cut short");
  }
  if (crc32c(buffer_.data(), header.body_bytes) != header.body_crc) {
    return ended("the body of a record is damaged");
  }
  const uint64_t place = std::exchange(next_, next_ + sizeof(header) + header.body_bytes);
  return Record{
      *type, place, {reinterpret_cast<const std::byte*>(buffer_.data()), header.body_bytes}};
}

}  // namespace ncscope::server
