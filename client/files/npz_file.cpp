#include "client/files/npz_file.h"

#include <algorithm>

#include "client/files/text.h"
#include "client/files/zip_archive.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

constexpr std::string_view kSuffix = ".npy";

class NpzFile final : public ArrayFile {
 public:
  explicit NpzFile(const std::filesystem::path& path) : path_(path) {
    const ZipArchive archive(path);
    for (const ZipMember& member : archive.members()) {
      if (!member.name.ends_with(kSuffix)) continue;
      names_.push_back(member.name.substr(0, member.name.size() - kSuffix.size()));
    }
  }

  const std::vector<std::string>& names() const override { return names_; }

  ArrayReader open(std::string_view name) const override {
    if (!has(name)) {
      throw InvalidArgument(path_.string() + ": expected an array " + quote(name) + ", got " +
                            listed_names());
    }
    // Each reader has an archive of its own: libzip shares one file position among members.
    return ArrayReader(open_zip_member(path_, std::string(name) + std::string(kSuffix)));
  }

 private:
  std::string listed_names() const {
    constexpr size_t kListed = 8;
    if (names_.empty()) return "an archive without arrays";
    std::string out;
    for (size_t i = 0; i < std::min(kListed, names_.size()); ++i) {
      out += (i > 0 ? ", " : "") + quote(names_[i]);
    }
    if (names_.size() > kListed) out += " and " + std::to_string(names_.size() - kListed) + " more";
    return out;
  }

  std::filesystem::path path_;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_npz(const std::filesystem::path& path) {
  return std::make_unique<NpzFile>(path);
}

}  // namespace ncscope::files
