// Files that hold named arrays. A new format is one more implementation, and a row in the table of
// array_file.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/files/array_reader.h"

namespace ncscope::files {

class ArrayFile {
 public:
  virtual ~ArrayFile() = default;

  // Names of the arrays, in the order of the file; "" for the only array of a .npy.
  virtual const std::vector<std::string>& names() const = 0;

  // A reader at the first row of an array. Throws InvalidArgument where there is none of that
  // name, or where it cannot be read as a plain numeric array.
  virtual ArrayReader open(std::string_view name) const = 0;

  bool has(std::string_view name) const;
};

// Opens a file by its first bytes, whatever it is called. Throws InvalidArgument for a format that
// is not read, DataLoss for a damaged one, Error if it cannot be opened.
std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path);

}  // namespace ncscope::files
