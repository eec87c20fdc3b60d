// Rank logs from fuzzed bytes. No mutation would get past a CRC-32C, so most inputs are sealed
// first: the first byte says how, the rest are records.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "server/log/record.h"

namespace ncscope::fuzz {

enum class Seal : uint8_t {
  kNone,     // the bytes as they are
  kHeaders,  // checksums fit, but a header claims whatever size it claims
  kRecords,  // a record ends where the next one begins, so it may grow and shrink
};

inline constexpr char kSealed = static_cast<char>(Seal::kRecords);

inline void seal(std::string& log, Seal how) {
  using server::RecordHeader;
  if (how == Seal::kNone) return;
  constexpr std::string_view kMagic = "NCSL";
  for (size_t at = log.find(kMagic); at != std::string::npos;) {
    if (log.size() - at < sizeof(RecordHeader)) return;
    const size_t body = at + sizeof(RecordHeader);
    const size_t next = std::min(log.find(kMagic, body), log.size());
    RecordHeader header;
    std::memcpy(&header, log.data() + at, sizeof header);
    if (how == Seal::kRecords) header.body_bytes = next - body;
    if (header.body_bytes <= log.size() - body) {
      header.body_crc = crc32c(log.data() + body, header.body_bytes);
    }
    header.header_crc = crc32c(&header, offsetof(RecordHeader, header_crc));
    std::memcpy(log.data() + at, &header, sizeof header);
    at = next < log.size() ? next : std::string::npos;
  }
}

inline std::string log_of(const uint8_t* data, size_t size) {
  if (size == 0) return {};
  std::string log(reinterpret_cast<const char*>(data + 1), size - 1);
  seal(log, static_cast<Seal>(data[0] % 3));
  return log;
}

struct SoundRecord {
  server::RecordType type;
  uint64_t place;
  std::string_view body;
};

struct SoundRecords : std::vector<SoundRecord> {
  bool of_newer_version = false;  // what follows
};

// The records up to the first that is damaged, samples that are damaged left out, read in the
// plainest way.
inline SoundRecords sound_records(std::string_view log) {
  using server::RecordHeader;
  SoundRecords records;
  for (size_t at = 0; log.size() - at >= sizeof(RecordHeader);) {
    RecordHeader header;
    std::memcpy(&header, log.data() + at, sizeof header);
    std::optional<server::RecordType> type;
    try {
      type = server::check_header(header);
    } catch (const Error&) {
      records.of_newer_version = true;
      break;
    }
    const std::string_view rest = log.substr(at + sizeof header);
    if (!type || header.body_bytes > rest.size()) break;
    const std::string_view body = rest.substr(0, header.body_bytes);
    const bool whole = crc32c(body.data(), body.size()) == header.body_crc;
    if (!whole && *type != server::RecordType::kSample) break;
    if (whole) records.push_back({*type, at, body});
    at += sizeof header + body.size();
  }
  return records;
}

}  // namespace ncscope::fuzz
