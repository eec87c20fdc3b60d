// The header of a .npy file: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "client/files/byte_stream.h"
#include "client/files/element_type.h"

namespace ncscope::files {

struct NpyHeader {
  ElementType type;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
  uint64_t data_offset = 0;  // bytes of the stream before the elements
  uint64_t data_bytes = 0;   // bytes of the elements
};

// Reads magic, version (1 to 3) and header from the start of a stream, and checks that the stream
// holds exactly the elements that the shape asks for. The header is parsed as the one dictionary
// that numpy writes ('descr', 'fortran_order', 'shape'); it is never evaluated. Throws
// InvalidArgument or DataLoss, naming the stream, what was expected and what came.
NpyHeader read_npy_header(ByteStream& stream);

// The dictionary alone; data_offset stays 0. Exposed for tests.
NpyHeader parse_npy_dictionary(std::string_view text);

}  // namespace ncscope::files
