#include "client/files/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "kernels/errors.h"

namespace ncscope::files {
namespace {

// A file descriptor that is closed with its owner.
class FileHandle {
 public:
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail_with_errno(const std::string& name, const char* what, int error) {
  throw Error(name + ": " + what + ": " + std::strerror(error));
}

class FileStream final : public ByteStream {
 public:
  FileStream(std::string name, std::unique_ptr<FileHandle> file, uint64_t size)
      : ByteStream(std::move(name)), file_(std::move(file)), size_(size) {}

  uint64_t size() const override { return size_; }
  bool random_access() const override { return true; }

  void read(void* out, size_t bytes) override {
    read_at(position_, out, bytes);
    position_ += bytes;
  }

  void read_at(uint64_t offset, void* out, size_t bytes) override {
    auto* to = static_cast<std::byte*>(out);
    while (bytes > 0) {
      const ssize_t got = ::pread(file_->get(), to, bytes, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_with_errno(name(), "cannot read", errno);
      if (got == 0) {
        throw DataLoss(name() + ": truncated: it ends at byte " + std::to_string(offset) + ", " +
                       std::to_string(bytes) + " bytes early");
      }
      to += got;
      offset += static_cast<uint64_t>(got);
      bytes -= static_cast<size_t>(got);
    }
  }

  void expect_end() override {
    if (position_ < size_) {
      throw DataLoss(name() + ": expected the end of the file at byte " +
                     std::to_string(position_) + ", got " + std::to_string(size_) + " bytes");
    }
  }

 private:
  std::unique_ptr<FileHandle> file_;
  uint64_t size_;
  uint64_t position_ = 0;
};

std::unique_ptr<FileHandle> unnamed_temporary_file() {
  std::string path = (std::filesystem::temp_directory_path() / "ncscope-XXXXXX").string();
  auto file = std::make_unique<FileHandle>(::mkostemp(path.data(), O_CLOEXEC));
  if (file->get() < 0) fail_with_errno(path, "cannot create a temporary file", errno);
  ::unlink(path.c_str());
  return file;
}

void write_all(const FileHandle& file, const std::byte* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t put = ::write(file.get(), data, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      fail_with_errno(std::filesystem::temp_directory_path().string(),
                      "cannot write a temporary file", errno);
    }
    data += put;
    bytes -= static_cast<size_t>(put);
  }
}

}  // namespace

void ByteStream::read_at(uint64_t, void*, size_t) {
  throw std::logic_error("ByteStream::read_at: " + name_ + " has no random access");
}

std::unique_ptr<ByteStream> open_file(const std::filesystem::path& path) {
  // Not blocking: opening a pipe must not wait for a writer.
  auto file = std::make_unique<FileHandle>(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file->get() < 0) fail_with_errno(path.string(), "cannot open", errno);
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) fail_with_errno(path.string(), "cannot open", errno);
  if (!S_ISREG(status.st_mode)) {
    throw Error(path.string() + ": expected a regular file, got a " +
                (S_ISDIR(status.st_mode) ? "directory" : "pipe or device"));
  }
  return std::make_unique<FileStream>(path.string(), std::move(file),
                                      static_cast<uint64_t>(status.st_size));
}

std::unique_ptr<ByteStream> spill_to_file(ByteStream& stream, uint64_t bytes) {
  auto file = unnamed_temporary_file();
  std::vector<std::byte> block(size_t{1} << 20);
  for (uint64_t left = bytes; left > 0;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(left, block.size()));
    stream.read(block.data(), n);
    write_all(*file, block.data(), n);
    left -= n;
  }
  stream.expect_end();
  return std::make_unique<FileStream>(stream.name(), std::move(file), bytes);
}

}  // namespace ncscope::files
