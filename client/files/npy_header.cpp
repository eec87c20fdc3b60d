#include "client/files/npy_header.h"

#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

constexpr size_t kMaxHeaderBytes = 64 * 1024;
constexpr size_t kMaxDims = 32;
constexpr std::string_view kNpyMagic("\x93NUMPY", 6);

// Reads the literal { 'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class DictionaryParser {
 public:
  explicit DictionaryParser(std::string_view text) : text_(text) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string_literal();
      expect(':');
      if (key == "descr") {
        take_once(has_descr_, key);
        header_.type = element_type();
      } else if (key == "fortran_order") {
        take_once(has_order_, key);
        header_.fortran_order = boolean();
      } else if (key == "shape") {
        take_once(has_shape_, key);
        header_.shape = tuple();
      } else {
        refuse("'descr', 'fortran_order' or 'shape'", quote(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) refuse("the end of the header", found());
    if (!has_descr_) refuse("'descr'", "a header without it");
    if (!has_order_) refuse("'fortran_order'", "a header without it");
    if (!has_shape_) refuse("'shape'", "a header without it");
    header_.data_bytes = byte_count();
    return header_;
  }

 private:
  [[noreturn]] static void refuse(const std::string& expected, const std::string& got) {
    throw InvalidArgument("bad .npy header: expected " + expected + ", got " + got);
  }

  std::string found() const {
    return at_ < text_.size() ? quote(text_.substr(at_)) : "the end of the header";
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  void expect(char c) {
    if (!accept(c)) refuse(quote(std::string_view(&c, 1)), found());
  }

  void take_once(bool& taken, std::string_view key) {
    if (taken) refuse("each key once", quote(key) + " twice");
    taken = true;
  }

  // Without escapes: numpy needs none here.
  std::string_view string_literal() {
    skip_space();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) {
      refuse("a quoted string", found());
    }
    const char quote = text_[at_];
    const size_t end = text_.find_first_of(std::string("\\\n") + quote, at_ + 1);
    if (end == std::string_view::npos || text_[end] != quote) refuse("a quoted string", found());
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }

  ElementType element_type() {
    skip_space();
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      throw InvalidArgument(
          "expected a bool, integer or float16/32/64 element type, got a structured one: " +
          found());
    }
    return parse_element_type(string_literal());
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) refuse("True or False", found());
    return false;
  }

  uint64_t integer() {
    skip_space();
    const size_t start = at_;
    uint64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      const auto digit = static_cast<uint64_t>(text_[at_] - '0');
      if (value > (std::numeric_limits<int64_t>::max() - digit) / 10) {
        refuse("a dimension below 2^63", quote(text_.substr(start)));
      }
      value = 10 * value + digit;
      ++at_;
    }
    if (at_ == start) refuse("a non-negative integer", found());
    return value;
  }

  std::vector<uint64_t> tuple() {
    std::vector<uint64_t> values;
    expect('(');
    while (!accept(')')) {
      if (values.size() == kMaxDims) refuse("at most 32 dimensions", "more");
      values.push_back(integer());
      if (!accept(',')) {
        // (3) is a number in Python, not a tuple.
        if (values.size() == 1) refuse("','", found());
        expect(')');
        break;
      }
    }
    return values;
  }

  uint64_t byte_count() const {
    uint64_t bytes = header_.type.bytes;
    bool empty = false;
    for (const uint64_t dim : header_.shape) empty = empty || dim == 0;
    if (empty) return 0;
    for (const uint64_t dim : header_.shape) {
      if (bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / dim) {
        refuse("a shape below 2^63 bytes", shape_text(header_.shape));
      }
      bytes *= dim;
    }
    return bytes;
  }

  std::string_view text_;
  size_t at_ = 0;
  NpyHeader header_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

// Bytes of the length field of a version, 2 or 4.
size_t length_bytes(unsigned major, unsigned minor) {
  if (minor == 0 && major == 1) return 2;
  if (minor == 0 && (major == 2 || major == 3)) return 4;
  throw InvalidArgument("expected .npy version 1.0, 2.0 or 3.0, got " + std::to_string(major) +
                        "." + std::to_string(minor));
}

NpyHeader read_unnamed(ByteStream& stream) {
  std::array<unsigned char, 8> start{};
  if (stream.size() < start.size()) {
    throw DataLoss("truncated: expected a .npy header, got " + std::to_string(stream.size()) +
                   " bytes");
  }
  stream.read(start.data(), start.size());
  const std::string_view magic(reinterpret_cast<const char*>(start.data()), kNpyMagic.size());
  if (magic != kNpyMagic) {
    throw InvalidArgument("expected the .npy magic '\\x93NUMPY', got " + quote(magic));
  }
  const size_t width = length_bytes(start[6], start[7]);
  std::array<unsigned char, 4> field{};
  const uint64_t before = start.size() + width;
  if (stream.size() < before) throw DataLoss("truncated within the .npy header");
  stream.read(field.data(), width);
  uint64_t length = 0;
  for (size_t i = 0; i < width; ++i) length |= uint64_t{field[i]} << (8 * i);
  if (length > kMaxHeaderBytes) {
    throw InvalidArgument("expected a .npy header of at most 65536 bytes, got " +
                          std::to_string(length));
  }
  if (length > stream.size() - before) {
    throw DataLoss("truncated: the .npy header has " + std::to_string(length) + " bytes, " +
                   std::to_string(stream.size() - before) + " are there");
  }
  std::string text(static_cast<size_t>(length), '\0');
  stream.read(text.data(), text.size());
  NpyHeader header = parse_npy_dictionary(text);
  header.data_offset = before + length;
  const uint64_t held = stream.size() - header.data_offset;
  const std::string expected = "shape " + shape_text(header.shape) + " of " + header.type.name() +
                               " needs " + std::to_string(header.data_bytes) + " bytes, got " +
                               std::to_string(held);
  if (held < header.data_bytes) throw DataLoss("truncated, or a wrong shape: " + expected);
  if (held > header.data_bytes) throw DataLoss("bytes after the array: " + expected);
  return header;
}

}  // namespace

NpyHeader parse_npy_dictionary(std::string_view text) { return DictionaryParser(text).parse(); }

NpyHeader read_npy_header(ByteStream& stream) {
  try {
    return read_unnamed(stream);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(stream.name() + ": " + error.what());
  } catch (const DataLoss& error) {
    const std::string text = error.what();
    // The stream's own errors name it already.
    if (text.starts_with(stream.name())) throw;
    throw DataLoss(stream.name() + ": " + text);
  }
}

}  // namespace ncscope::files
