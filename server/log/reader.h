// Reads a log from its start, up to its end or to where it is damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/log/record.h"

namespace ncscope::server {

class LogReader {
 public:
  // Throws Error where the file cannot be opened.
  explicit LogReader(const std::filesystem::path& path);
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;
  ~LogReader();

  struct Record {
    RecordType type;
    uint64_t place;                   // of its header
    std::span<const std::byte> body;  // aligned to 8 bytes, valid until the next call
  };
  // Nothing at the end, and from a damaged record on. Throws Error where the disk does not give it.
  std::optional<Record> next();
  // Why the log ended before the file did; empty where it did not.
  const std::string& damage() const { return damage_; }
  // Bytes of the records read.
  uint64_t good_bytes() const { return next_; }

 private:
  bool read(uint64_t offset, void* out, size_t bytes) const;

  std::filesystem::path path_;
  int file_ = -1;
  uint64_t file_bytes_ = 0;
  uint64_t next_ = 0;
  std::vector<uint64_t> buffer_;
  std::string damage_;
};

}  // namespace ncscope::server
