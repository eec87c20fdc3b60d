// A log written anew, as another file that takes its place as a whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "server/log/log_file.h"

namespace ncscope::server {

// Used by the thread that may append to the log.
class LogRewrite {
 public:
  // Throws ResourceExhausted, as everything here that writes.
  explicit LogRewrite(LogFile& log);
  LogRewrite(const LogRewrite&) = delete;
  LogRewrite& operator=(const LogRewrite&) = delete;
  ~LogRewrite();

  // Return the place of the record in the new file.
  uint64_t append(RecordType type, const BodyParts& body);
  // A body that `write` hands over piece by piece.
  using Sink = std::function<void(std::span<const std::byte>)>;
  uint64_t append(RecordType type, const std::function<void(const Sink&)>& write);
  // A record of the old log. Throws DataLoss.
  uint64_t copy(RecordType type, uint64_t place);

  // Makes the new file safe and gives it the log's name. The log is as it was where this throws.
  void finish();

 private:
  void write(uint64_t offset, const void* data, size_t bytes) const;

  LogFile& log_;
  const std::filesystem::path path_;
  std::shared_ptr<const OpenFile> file_;
  uint64_t size_ = 0;
  std::vector<uint64_t> buffer_;
  bool finished_ = false;
};

}  // namespace ncscope::server
