#include "client/files/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <set>

#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

// Deflate reaches 1032:1 on constant bytes. Measured features stay far below; small constant
// arrays are harmless.
constexpr uint64_t kMaxRatio = 500;
constexpr uint64_t kAnyRatioBytes = uint64_t{1} << 30;

// Whether a name points out of the archive, or hides something.
bool is_unsafe_name(const std::string& name) {
  const bool control =
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return name.empty() || control || name.front() == '/' || name.find('\\') != std::string::npos ||
         name.find(':') != std::string::npos || name == ".." || name.starts_with("../") ||
         name.find("/../") != std::string::npos || name.ends_with("/..");
}

ZipMember checked_member(zip_t* archive, uint64_t index, const std::string& file) {
  zip_stat_t stat;
  constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                   ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if (zip_stat_index(archive, index, ZIP_FL_ENC_RAW, &stat) != 0 ||
      (stat.valid & kNeeded) != kNeeded) {
    throw DataLoss(file + ": damaged zip directory at member " + std::to_string(index));
  }
  const std::string name = stat.name;
  const std::string label = file + ": member " + quote(name);
  if (is_unsafe_name(name)) {
    throw InvalidArgument(label + ": expected a plain name, got a path or control characters");
  }
  if (stat.encryption_method != ZIP_EM_NONE) {
    throw InvalidArgument(label + ": expected plain data, got an encrypted member");
  }
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    throw InvalidArgument(label + ": expected a stored or deflated member, got zip method " +
                          std::to_string(stat.comp_method));
  }
  if (stat.comp_method == ZIP_CM_STORE && stat.comp_size != stat.size) {
    throw DataLoss(label + ": stored in " + std::to_string(stat.comp_size) +
                   " bytes, but its size is given as " + std::to_string(stat.size));
  }
  if (stat.size > kAnyRatioBytes && stat.size / kMaxRatio > stat.comp_size) {
    throw InvalidArgument(label + ": expected at most " + std::to_string(kMaxRatio) +
                          " bytes for each packed byte, got " + std::to_string(stat.size) +
                          " bytes from " + std::to_string(stat.comp_size) + " (a zip bomb)");
  }
  return {name, stat.size, stat.comp_size};
}

class ZipStream final : public ByteStream {
 public:
  ZipStream(std::string name, std::unique_ptr<ZipArchive> archive, zip_file_t* file, uint64_t size)
      : ByteStream(std::move(name)), archive_(std::move(archive)), file_(file), size_(size) {}
  ~ZipStream() override { zip_fclose(file_); }

  uint64_t size() const override { return size_; }

  void read(void* out, size_t bytes) override {
    auto* to = static_cast<std::byte*>(out);
    while (bytes > 0) {
      const uint64_t got = read_some(to, bytes);
      if (got == 0) {
        throw DataLoss(name() + ": truncated: its data end " + std::to_string(bytes) +
                       " bytes early");
      }
      to += got;
      bytes -= static_cast<size_t>(got);
    }
  }

  void expect_end() override {
    std::byte more;
    // Reading the end is what makes libzip compare the checksum.
    if (read_some(&more, 1) != 0) {
      throw DataLoss(name() + ": expected " + std::to_string(size_) + " bytes, got more");
    }
  }

 private:
  uint64_t read_some(std::byte* to, size_t bytes) {
    const zip_int64_t got = zip_fread(file_, to, bytes);
    if (got < 0) {
      throw DataLoss(name() + ": damaged: " + zip_error_strerror(zip_file_get_error(file_)));
    }
    return static_cast<uint64_t>(got);
  }

  std::unique_ptr<ZipArchive> archive_;
  zip_file_t* file_;
  uint64_t size_;
};

}  // namespace

void ZipArchive::Close::operator()(zip* archive) const { zip_discard(archive); }

ZipArchive::ZipArchive(const std::filesystem::path& path) {
  const std::string file = path.string();
  int code = 0;
  zip_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!zip_) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw DataLoss(file + ": truncated or damaged .npz: " + text);
  }
  std::set<std::string> seen;
  uint64_t left = open_file(path)->size();
  const auto count = static_cast<uint64_t>(zip_get_num_entries(zip_.get(), 0));
  for (uint64_t i = 0; i < count; ++i) {
    ZipMember member = checked_member(zip_.get(), i, file);
    if (!seen.insert(member.name).second) {
      throw InvalidArgument(file + ": expected each member once, got " + quote(member.name) +
                            " twice");
    }
    if (member.packed_bytes > left) {
      throw DataLoss(file + ": its members need more bytes than the file has: truncated, or they " +
                     "overlap");
    }
    left -= member.packed_bytes;
    members_.push_back(std::move(member));
  }
}

std::unique_ptr<ByteStream> open_zip_member(const std::filesystem::path& path,
                                            const std::string& member) {
  auto archive = std::make_unique<ZipArchive>(path);
  const auto& members = archive->members();
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const ZipMember& m) { return m.name == member; });
  const std::string name = path.string() + ": member " + quote(member);
  if (found == members.end()) throw InvalidArgument(name + ": not there");
  zip_file_t* file =
      zip_fopen_index(archive->handle(), static_cast<uint64_t>(found - members.begin()), 0);
  if (!file) {
    throw DataLoss(name + ": damaged: " + zip_strerror(archive->handle()));
  }
  const uint64_t size = found->bytes;
  return std::make_unique<ZipStream>(name, std::move(archive), file, size);
}

}  // namespace ncscope::files
