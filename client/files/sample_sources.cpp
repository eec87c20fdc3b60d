#include "client/files/sample_sources.h"

#include "client/files/array_file.h"
#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

// One .npz file: a shard, a classifier, or both.
void find_in_file(const SampleSources& sources, const std::filesystem::path& path,
                  SamplePlaces& places) {
  const auto file = open_array_file(path);
  const auto place = [&](const ArrayChoice& choice) -> std::optional<ArrayPlace> {
    if (!choice.npy_files.empty() || !file->has(choice.key)) return std::nullopt;
    return ArrayPlace{path, choice.key};
  };
  const auto features = place(sources.features);
  const auto labels = place(sources.labels);
  const auto weight = place(sources.weight);
  const auto bias = place(sources.bias);
  if (weight) places.weights.push_back(*weight);
  if (bias) places.biases.push_back(*bias);
  // Features in .npy files: the .npz files are there for the classifier.
  if (!sources.features.npy_files.empty()) return;
  if (!features && !labels && (weight || bias)) return;
  // Opening what is not there says what is.
  if (!features) file->open(sources.features.key);
  if (!labels && sources.labels.npy_files.empty()) file->open(sources.labels.key);
  ShardPlaces shard{*features, labels.value_or(ArrayPlace{}), place(sources.predictions)};
  places.shards.push_back(std::move(shard));
}

void require_one_each(const ArrayChoice& choice, const char* what, size_t shards) {
  if (choice.npy_files.size() == shards) return;
  throw InvalidArgument("expected one .npy file of " + std::string(what) +
                        " for each of features (" + std::to_string(shards) + "), got " +
                        std::to_string(choice.npy_files.size()));
}

void check_predictions(const SampleSources& sources, const SamplePlaces& places) {
  const ShardPlaces* with = nullptr;
  const ShardPlaces* without = nullptr;
  for (const ShardPlaces& shard : places.shards) (shard.predictions ? with : without) = &shard;
  const std::string key = quote(sources.predictions.key);
  if (with && without) {
    throw InvalidArgument("expected " + key + " in every file or in none, got them in " +
                          with->features.file.string() + " and not in " +
                          without->features.file.string());
  }
  if (without && sources.predictions.named) {
    throw InvalidArgument(without->features.file.string() + ": expected an array " + key +
                          ", got none");
  }
}

}  // namespace

ArrayReader ArrayPlace::open() const { return open_array_file(file)->open(key); }

SamplePlaces find_arrays(const SampleSources& sources) {
  SamplePlaces places;
  for (const auto& path : sources.files) find_in_file(sources, path, places);
  for (const auto& path : sources.features.npy_files) places.shards.push_back({{path, ""}, {}, {}});
  if (places.shards.empty()) {
    throw InvalidArgument("expected features in at least one file, got files with a classifier " +
                          std::string("only"));
  }
  if (!sources.labels.npy_files.empty()) {
    require_one_each(sources.labels, "labels", places.shards.size());
    for (size_t i = 0; i < places.shards.size(); ++i) {
      places.shards[i].labels = {sources.labels.npy_files[i], ""};
    }
  }
  if (!sources.predictions.npy_files.empty()) {
    require_one_each(sources.predictions, "predictions", places.shards.size());
    for (size_t i = 0; i < places.shards.size(); ++i) {
      places.shards[i].predictions = ArrayPlace{sources.predictions.npy_files[i], ""};
    }
  }
  check_predictions(sources, places);
  for (const auto& path : sources.weight.npy_files) places.weights.push_back({path, ""});
  for (const auto& path : sources.bias.npy_files) places.biases.push_back({path, ""});
  if (sources.weight.named && places.weights.empty()) {
    throw InvalidArgument("expected an array " + quote(sources.weight.key) +
                          " in one of the files, got none");
  }
  if (sources.bias.named && places.biases.empty()) {
    throw InvalidArgument("expected an array " + quote(sources.bias.key) +
                          " in one of the files, got none");
  }
  return places;
}

}  // namespace ncscope::files
