// A .npz file: a zip archive whose members KEY.npy are arrays, stored or deflated.
#pragma once

#include <filesystem>
#include <memory>

#include "client/files/array_file.h"

namespace ncscope::files {

// Reads the directory only. Refuses archives that are damaged, encrypted, packed by other methods,
// that name a member twice or by a path out of the archive, whose members overlap, or which are
// packed as no measured features can be (a zip bomb).
std::unique_ptr<ArrayFile> open_npz(const std::filesystem::path& path);

}  // namespace ncscope::files
