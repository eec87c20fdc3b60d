// libFuzzer target: a .npz file that holds a data set.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/data_set.h"
#include "tests/support/arrays.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ncscope::testing::MemoryFile file;
  file.write({reinterpret_cast<const char*>(data), size});
  ncscope::files::SampleSources sources;
  sources.files = {file.path()};
  ncscope::fuzz::read_data_set(sources);
  return 0;
}
