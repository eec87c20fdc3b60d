#include "server/log/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

// What a checkpoint, which may be larger than memory is spare, is checked in.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

std::optional<RecordType> type_of(const RecordHeader& header, const std::filesystem::path& path) {
  try {
    return check_header(header);
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
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

bool LogReader::read_and_check(const RecordHeader& header, RecordType type) {
  const uint64_t piece = type == RecordType::kCheckpoint ? std::min(kPieceBytes, header.body_bytes)
                                                         : header.body_bytes;
  buffer_.resize((piece + sizeof(uint64_t) - 1) / sizeof(uint64_t));
  uint32_t crc = 0;
  uint64_t done = 0;
  do {
    const uint64_t bytes = std::min(piece, header.body_bytes - done);
    if (!read(next_ + sizeof(header) + done, buffer_.data(), bytes)) return false;
    crc = crc32c(buffer_.data(), bytes, crc);
    done += bytes;
  } while (done < header.body_bytes);
  return crc == header.body_crc;
}

std::optional<LogReader::Record> LogReader::next() {
  const auto ended = [&](const char* why) {
    damage_ = std::string(why) + " at byte " + std::to_string(next_) + " of " +
              std::to_string(file_bytes_);
    return std::nullopt;
  };
  const auto cut = [&] {
    cut_short_ = true;
    return ended("a record is cut short");
  };
  while (damage_.empty() && next_ != file_bytes_) {
    RecordHeader header;
    const uint64_t left = file_bytes_ - next_;
    if (left < sizeof(header) || !read(next_, &header, sizeof(header))) return cut();
    const auto type = type_of(header, path_);
    if (!type) return ended("the header of a record is damaged");
    if (header.body_bytes > left - sizeof(header)) return cut();
    const bool whole = read_and_check(header, *type);
    if (!whole && *type != RecordType::kSample) return ended("the body of a record is damaged");
    const uint64_t place = std::exchange(next_, next_ + sizeof(header) + header.body_bytes);
    if (whole) {
      Record record{*type, place, header.body_bytes, {}};
      if (*type != RecordType::kCheckpoint) {
        record.body = {reinterpret_cast<const std::byte*>(buffer_.data()), header.body_bytes};
      }
      return record;
    }
    ++damaged_samples_;
  }
  return std::nullopt;
}

void LogReader::read_body(const Record& record, uint64_t offset, void* out, size_t bytes) const {
  if (offset > record.body_bytes || bytes > record.body_bytes - offset) {
    throw DataLoss("a record ends early: expected " + std::to_string(offset + bytes) +
                   " bytes, got " + std::to_string(record.body_bytes));
  }
  if (!read(record.place + sizeof(RecordHeader) + offset, out, bytes)) {
    throw Error(path_.string() + ": was cut while it was read");
  }
}

}  // namespace ncscope::server
