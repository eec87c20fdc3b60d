#include "proto/convert/statistics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"

namespace ncscope {
namespace {

constexpr char kMagic[] = {'N', 'C', 'S', 'T', 'A', 'T', 'S', '1'};
// A block holds at most 1 MiB; no record is much larger.
constexpr uint32_t kMaxRecordBytes = 2u << 20;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw Error(path.string() + ": " + what + ": " + std::strerror(errno));
}

void write_all(std::FILE* file, const void* data, size_t bytes, const std::filesystem::path& path) {
  if (std::fwrite(data, 1, bytes, file) != bytes) fail(path, "cannot write");
}

void write_record(std::FILE* file, const google::protobuf::MessageLite& message,
                  const std::filesystem::path& path) {
  const std::string bytes = message.SerializeAsString();
  const std::array<uint32_t, 2> prefix = {static_cast<uint32_t>(bytes.size()),
                                          crc32c(bytes.data(), bytes.size())};
  write_all(file, prefix.data(), sizeof(prefix), path);
  write_all(file, bytes.data(), bytes.size(), path);
}

// Reads the next record into `bytes`; false at the end of the file.
bool read_record(std::FILE* file, std::string& bytes, const std::filesystem::path& path) {
  std::array<uint32_t, 2> prefix;
  const size_t got = std::fread(prefix.data(), 1, sizeof(prefix), file);
  if (got == 0 && std::feof(file)) return false;
  if (std::ferror(file)) fail(path, "cannot read");
  if (got != sizeof(prefix)) throw DataLoss(path.string() + ": truncated within a record");
  if (prefix[0] > kMaxRecordBytes) {
    throw DataLoss(path.string() + ": expected records of at most " +
                   std::to_string(kMaxRecordBytes) + " bytes, got " + std::to_string(prefix[0]));
  }
  bytes.resize(prefix[0]);
  if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
    if (std::ferror(file)) fail(path, "cannot read");
    throw DataLoss(path.string() + ": truncated within a record");
  }
  if (crc32c(bytes.data(), bytes.size()) != prefix[1]) {
    throw DataLoss(path.string() + ": checksum of a record does not match");
  }
  return true;
}

void sync_directory(const std::filesystem::path& path) {
  const std::string directory = path.has_parent_path() ? path.parent_path().string() : ".";
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail(path, "cannot open its folder");
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) fail(path, "cannot sync its folder");
}

void write_file(const std::filesystem::path& path, const StatisticsBundle& bundle) {
  File file(std::fopen(path.c_str(), "wb"));
  if (!file) fail(path, "cannot open for writing");
  write_all(file.get(), kMagic, sizeof(kMagic), path);
  write_statistics(
      bundle, [&](const v1::StatisticsHeader& header) { write_record(file.get(), header, path); },
      [&](const v1::StatisticsBlock& block) { write_record(file.get(), block, path); });
  if (std::fflush(file.get()) != 0) fail(path, "cannot write");
  if (::fsync(::fileno(file.get())) != 0) fail(path, "cannot sync");
}

}  // namespace

void save_statistics(const std::filesystem::path& path, const StatisticsBundle& bundle) {
  const std::filesystem::path temporary = path.string() + ".tmp" + std::to_string(::getpid());
  try {
    write_file(temporary, bundle);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "cannot rename");
    sync_directory(path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

StatisticsBundle load_statistics(const std::filesystem::path& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) throw InvalidArgument(path.string() + ": cannot open: " + std::strerror(errno));
  char magic[sizeof(kMagic)];
  const size_t got = std::fread(magic, 1, sizeof(magic), file.get());
  if (std::ferror(file.get())) fail(path, "cannot read");
  if (got != sizeof(magic) || std::memcmp(magic, kMagic, sizeof(kMagic)) != 0) {
    throw DataLoss(path.string() + ": expected a .ncstats file, got something else");
  }
  std::string bytes;
  v1::StatisticsHeader header;
  if (!read_record(file.get(), bytes, path)) throw DataLoss(path.string() + ": no header");
  if (!header.ParseFromString(bytes)) throw DataLoss(path.string() + ": header cannot be read");
  try {
    StatisticsReader reader(header);
    v1::StatisticsBlock block;
    while (read_record(file.get(), bytes, path)) {
      if (!block.ParseFromString(bytes)) throw DataLoss("a block cannot be read");
      reader.add(block);
    }
    return reader.finish();
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(path.string())) throw;
    throw DataLoss(path.string() + ": " + error.what());
  }
}

}  // namespace ncscope
