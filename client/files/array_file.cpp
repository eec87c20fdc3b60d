#include "client/files/array_file.h"

#include <algorithm>
#include <array>

#include "client/files/npy_file.h"
#include "client/files/npz_file.h"
#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

struct Format {
  std::string_view magic;
  std::unique_ptr<ArrayFile> (*open)(const std::filesystem::path&);
};

// The end-of-directory record is all there is of an empty archive.
constexpr std::array<Format, 3> kFormats{{{std::string_view("\x93NUMPY", 6), open_npy},
                                          {std::string_view("PK\x03\x04", 4), open_npz},
                                          {std::string_view("PK\x05\x06", 4), open_npz}}};

}  // namespace

bool ArrayFile::has(std::string_view name) const {
  return std::find(names().begin(), names().end(), name) != names().end();
}

std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path) {
  const auto stream = open_file(path);
  std::string start(static_cast<size_t>(std::min<uint64_t>(stream->size(), 6)), '\0');
  stream->read(start.data(), start.size());
  for (const Format& format : kFormats) {
    if (start.starts_with(format.magic)) return format.open(path);
  }
  throw InvalidArgument(path.string() + ": expected a .npz or .npy file, got " +
                        (start.empty() ? "an empty one" : "one that starts with " + quote(start)));
}

}  // namespace ncscope::files
