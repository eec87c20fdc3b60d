// Element types of stored arrays, as numpy names them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ncscope::files {

enum class ElementKind { kBool, kInt, kUint, kFloat };

// A plain numeric type: bool, int8 to int64, uint8 to uint64, float16 to float64.
struct ElementType {
  ElementKind kind = ElementKind::kFloat;
  size_t bytes = 4;
  bool big_endian = false;

  // "float32", "big-endian int64".
  std::string name() const;
};

// Parses a numpy type string such as "<f4", ">i8" or "|u1". Throws InvalidArgument that says what
// the type is (object, complex, string, ...) for everything that is no plain numeric type.
ElementType parse_element_type(std::string_view descr);

}  // namespace ncscope::files
