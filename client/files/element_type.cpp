#include "client/files/element_type.h"

#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

// What a type that is not read is called, by its numpy kind.
const char* unread_kind(char kind) {
  switch (kind) {
    case 'O':
      return "object (pickled Python)";
    case 'c':
      return "complex";
    case 'U':
    case 'S':
    case 'a':
      return "string";
    case 'V':
      return "void (structured, or bfloat16, whose name numpy does not keep)";
    case 'M':
    case 'm':
      return "date or time";
    default:
      return "unknown";
  }
}

[[noreturn]] void refuse_type(std::string_view descr, const char* what) {
  throw InvalidArgument("expected a bool, integer or float16/32/64 element type, got " +
                        quote(descr) + ": " + what);
}

}  // namespace

std::string ElementType::name() const {
  const std::string order = big_endian ? "big-endian " : "";
  const std::string bits = std::to_string(8 * bytes);
  switch (kind) {
    case ElementKind::kBool:
      return "bool";
    case ElementKind::kInt:
      return order + "int" + bits;
    case ElementKind::kUint:
      return order + "uint" + bits;
    case ElementKind::kFloat:
      return order + "float" + bits;
  }
  return "unknown";
}

ElementType parse_element_type(std::string_view descr) {
  std::string_view rest = descr;
  char order = '=';
  if (!rest.empty() && std::string_view("<>|=").find(rest.front()) != std::string_view::npos) {
    order = rest.front();
    rest.remove_prefix(1);
  }
  if (rest.empty()) refuse_type(descr, "empty");
  const char kind = rest.front();
  const std::string_view size = rest.substr(1);
  ElementType type;
  switch (kind) {
    case 'b':
      type.kind = ElementKind::kBool;
      break;
    case 'i':
      type.kind = ElementKind::kInt;
      break;
    case 'u':
      type.kind = ElementKind::kUint;
      break;
    case 'f':
      type.kind = ElementKind::kFloat;
      break;
    default:
      refuse_type(descr, unread_kind(kind));
  }
  if (size != "1" && size != "2" && size != "4" && size != "8") {
    refuse_type(descr, kind == 'f' ? "extended precision or no such size" : "no such size");
  }
  type.bytes = static_cast<size_t>(size.front() - '0');
  if (kind == 'b' && type.bytes != 1) refuse_type(descr, "no such size");
  if (kind == 'f' && type.bytes == 1) refuse_type(descr, "no such size");
  if (order == '|' && type.bytes != 1) refuse_type(descr, "no byte order");
  type.big_endian = order == '>' && type.bytes > 1;
  return type;
}

}  // namespace ncscope::files
