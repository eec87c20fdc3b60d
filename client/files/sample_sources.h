// Where the arrays of one data set lie: which files, which keys.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/files/array_reader.h"

namespace ncscope::files {

// Where one of the arrays is looked for.
struct ArrayChoice {
  std::string key;                               // in the .npz files
  bool named = false;                            // asked for by the user: must be there
  std::vector<std::filesystem::path> npy_files;  // instead of a key; one for each shard
};

struct SampleSources {
  std::vector<std::filesystem::path> files;           // .npz; each is a shard of the data set
  ArrayChoice features{"features", false, {}};        // [N, d] float
  ArrayChoice labels{"labels", false, {}};            // [N] integer
  ArrayChoice weight{"weight", false, {}};            // [K, d] float, optional
  ArrayChoice bias{"bias", false, {}};                // [K] float, optional
  ArrayChoice predictions{"predictions", false, {}};  // [N] integer, optional
};

// One array, found.
struct ArrayPlace {
  std::filesystem::path file;
  std::string key;  // empty for a .npy

  ArrayReader open() const;
};

// The arrays of one shard.
struct ShardPlaces {
  ArrayPlace features;
  ArrayPlace labels;
  std::optional<ArrayPlace> predictions;
};

struct SamplePlaces {
  std::vector<ShardPlaces> shards;
  std::vector<ArrayPlace> weights;  // every place that holds one
  std::vector<ArrayPlace> biases;
};

// Finds the arrays. A file may hold the classifier alone. Throws InvalidArgument where a shard
// lacks features or labels, where only some shards have predictions, or where an array that was
// asked for by name is nowhere.
SamplePlaces find_arrays(const SampleSources& sources);

}  // namespace ncscope::files
