#include "client/output/document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "kernels/errors.h"

namespace ncscope::output {
namespace {

[[noreturn]] void fail_write(const std::string& name) {
  throw Error(name + ": cannot write: " + std::strerror(errno));
}

// Whether all of it was written.
bool write_fully(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t put = ::write(fd, text.data() + done, text.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

bool is_special_file(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

void write_in_place(const std::string& text, const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail_write(path.string());
  const bool written = write_fully(fd, text);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (!written) fail_write(path.string());
}

void replace_file(const std::string& text, const std::filesystem::path& path) {
  std::string temporary = path.string() + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) fail_write(path.string());
  // mkostemp gives 0600; a new file has what the umask leaves.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  const bool written = write_fully(fd, text) && ::fchmod(fd, 0666 & ~mask) == 0;
  const bool closed = ::close(fd) == 0;
  if (written && closed && ::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int error = errno;
  ::unlink(temporary.c_str());
  errno = error;
  fail_write(path.string());
}

}  // namespace

void write_document(const std::string& text, const std::optional<std::filesystem::path>& path) {
  if (!path || *path == "-") return write_now(text);
  // /dev/stdout and the like cannot be replaced.
  if (is_special_file(*path)) return write_in_place(text, *path);
  replace_file(text, *path);
}

void write_now(const std::string& text) {
  if (!write_fully(STDOUT_FILENO, text)) fail_write("standard output");
}

}  // namespace ncscope::output
