// The .ncstats file: 8 bytes "NCSTATS1", then records of a 4-byte little-endian length, a 4-byte
// CRC-32C and a serialised message: the StatisticsHeader, then StatisticsBlocks.
#pragma once

#include <filesystem>

#include "proto/convert/statistics.h"

namespace ncscope {

// Writes to a temporary file beside `path`, syncs it and renames it. Throws Error with the cause.
void save_statistics(const std::filesystem::path& path, const StatisticsBundle& bundle);

// Throws DataLoss, naming the file, where it is truncated, altered or no such file format.
StatisticsBundle load_statistics(const std::filesystem::path& path);

}  // namespace ncscope
