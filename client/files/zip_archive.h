// Zip archives through libzip, distrusted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/files/byte_stream.h"

struct zip;  // libzip's archive

namespace ncscope::files {

struct ZipMember {
  std::string name;
  uint64_t bytes = 0;         // unpacked, as the directory states it
  uint64_t packed_bytes = 0;  // in the file
};

// The directory of an archive, checked.
class ZipArchive {
 public:
  // Throws DataLoss or InvalidArgument, naming the file.
  explicit ZipArchive(const std::filesystem::path& path);

  const std::vector<ZipMember>& members() const { return members_; }
  zip* handle() const { return zip_.get(); }

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  std::unique_ptr<zip, Close> zip_;
  std::vector<ZipMember> members_;
};

// The unpacked bytes of a member, in order. Its checksum is verified at the end; it never yields
// more bytes than the directory states.
std::unique_ptr<ByteStream> open_zip_member(const std::filesystem::path& path,
                                            const std::string& member);

}  // namespace ncscope::files
