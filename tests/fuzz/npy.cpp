// libFuzzer target: a .npy file of features.
#include <cstddef>
#include <cstdint>

#include "tests/client/malformed_files.h"
#include "tests/fuzz/data_set.h"
#include "tests/support/arrays.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ncscope::testing::MemoryFile features;
  static ncscope::testing::MemoryFile labels;
  static const bool written = (labels.write(ncscope::testing::good_labels()), true);
  static_cast<void>(written);
  features.write({reinterpret_cast<const char*>(data), size});
  ncscope::files::SampleSources sources;
  sources.features.npy_files = {features.path()};
  sources.labels.npy_files = {labels.path()};
  ncscope::fuzz::read_data_set(sources);
  return 0;
}
