// The name of a series, checked.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "ncscope/v1/types.pb.h"
#include "proto/convert/splits.h"

namespace ncscope::server {

struct SeriesKey {
  std::string run;
  uint32_t epoch = 0;
  std::string split;
  std::string layer;

  auto operator<=>(const SeriesKey&) const = default;
};

// The key of the train split of the same run, epoch and layer.
SeriesKey train_of(const SeriesKey& key);

// Throw InvalidArgument, naming the rule, for a name that breaks it: [A-Za-z0-9._-], 1 to 128
// characters for runs, 1 to 64 for splits and layers.
void check_run_name(const std::string& run);
void check_short_name(const char* what, const std::string& name);

// Checks the names and fills in the defaults: split "train", layer "features".
SeriesKey parse_key(const v1::SeriesKey& key);

v1::SeriesKey key_message(const SeriesKey& key);

// "run 'a', epoch 3, split 'train', layer 'features'", for error texts and logs.
std::string describe(const SeriesKey& key);

}  // namespace ncscope::server
