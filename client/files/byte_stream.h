// Bytes of a file, or of one member of an archive, front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace ncscope::files {

class ByteStream {
 public:
  explicit ByteStream(std::string name) : name_(std::move(name)) {}
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  // What messages call it: a path, and the member of an archive.
  const std::string& name() const { return name_; }

  // Bytes in all, as the file system or the archive states them.
  virtual uint64_t size() const = 0;

  // Reads the next `bytes` bytes. Throws DataLoss if the stream ends before, Error if it cannot be
  // read.
  virtual void read(void* out, size_t bytes) = 0;

  // Called after the last byte: throws DataLoss if more follow or a checksum does not match.
  virtual void expect_end() = 0;

  // Whether read_at() works.
  virtual bool random_access() const { return false; }
  // Reads from an offset, apart from the position of read().
  virtual void read_at(uint64_t offset, void* out, size_t bytes);

 private:
  std::string name_;
};

// A regular file. Throws Error if it cannot be opened, or is a directory, pipe or device.
std::unique_ptr<ByteStream> open_file(const std::filesystem::path& path);

// Copies the rest of `stream` to an unnamed temporary file ($TMPDIR) and returns that file's
// stream, which has random access. For members of archives that must be read out of order.
std::unique_ptr<ByteStream> spill_to_file(ByteStream& stream, uint64_t bytes);

}  // namespace ncscope::files
