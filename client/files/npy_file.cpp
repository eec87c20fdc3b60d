#include "client/files/npy_file.h"

#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

class NpyFile final : public ArrayFile {
 public:
  explicit NpyFile(std::filesystem::path path) : path_(std::move(path)) {}

  const std::vector<std::string>& names() const override { return names_; }

  ArrayReader open(std::string_view name) const override {
    if (!name.empty()) {
      throw InvalidArgument(path_.string() + ": expected a .npz file that holds " + quote(name) +
                            ", got a .npy file, which holds one array without a name");
    }
    return ArrayReader(open_file(path_));
  }

 private:
  std::filesystem::path path_;
  std::vector<std::string> names_{""};
};

}  // namespace

std::unique_ptr<ArrayFile> open_npy(const std::filesystem::path& path) {
  return std::make_unique<NpyFile>(path);
}

}  // namespace ncscope::files
