// A .npy file: one array, without a name.
#pragma once

#include <filesystem>
#include <memory>

#include "client/files/array_file.h"

namespace ncscope::files {

std::unique_ptr<ArrayFile> open_npy(const std::filesystem::path& path);

}  // namespace ncscope::files
