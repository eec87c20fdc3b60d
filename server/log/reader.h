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
    uint64_t place;  // of its header
    uint64_t body_bytes;
    // Aligned to 8 bytes, valid until the next call; empty for a checkpoint, which may be large:
    // see read_body().
    std::span<const std::byte> body;
  };
  // Nothing at the end, and from a damaged record on; a damaged sample is passed over. Throws Error
  // where the disk does not give it, and for what only a newer version can read.
  std::optional<Record> next();
  void read_body(const Record& record, uint64_t offset, void* out, size_t bytes) const;
  // Samples that were passed over.
  uint64_t damaged_samples() const { return damaged_samples_; }
  // Why the log ended before the file did; empty where it did not.
  const std::string& damage() const { return damage_; }
  // Whether that is since the file ends within a record, as where its writer was killed.
  bool cut_short() const { return cut_short_; }
  // Bytes of the records read.
  uint64_t good_bytes() const { return next_; }

 private:
  bool read(uint64_t offset, void* out, size_t bytes) const;
  // Reads a body, of which the buffer holds the last piece: all of it but for a checkpoint.
  bool read_and_check(const RecordHeader& header, RecordType type);

  std::filesystem::path path_;
  int file_ = -1;
  uint64_t file_bytes_ = 0;
  uint64_t next_ = 0;
  uint64_t damaged_samples_ = 0;
  std::vector<uint64_t> buffer_;
  std::string damage_;
  bool cut_short_ = false;
};

}  // namespace ncscope::server
