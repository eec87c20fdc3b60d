// Files that no reader may take: each is one clear refusal, by the library and by the command line.
#pragma once

#include <string>
#include <vector>

namespace ncscope::testing {

struct MalformedFile {
  std::string name;      // of the case; the file is NAME.npz or NAME.npy
  std::string bytes;     // of the file
  std::string expected;  // a part of the refusal's text
};

// Everything wrong in the features of an otherwise right data set (.npz), or as a whole.
std::vector<MalformedFile> malformed_npz_files();

// Everything wrong in a features .npy.
std::vector<MalformedFile> malformed_npy_files();

// The members of a right data set: 4 samples, d = 2, K = 2.
std::string good_features();
std::string good_labels();

}  // namespace ncscope::testing
