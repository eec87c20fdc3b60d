// A problem whose answers are known: an exact simplex ETF without any within-class variability,
// with the class means as classifier.
#pragma once

#include <string>
#include <vector>

#include "client/client.h"
#include "kernels/device.h"

namespace ncscope::cli {

struct KnownValue {
  std::string path;
  double got = 0;  // NaN where the report lacks it
  double ideal = 0;

  bool passed() const;
};

// Computes the problem on a device.
std::vector<KnownValue> known_values_local(Device& device);

// Streams the problem to a server as a run of its own, which is deleted afterwards.
std::vector<KnownValue> known_values_remote(client::Client& client);

}  // namespace ncscope::cli
