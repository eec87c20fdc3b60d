// Numbers as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ncscope::output {

// Shortest text that reads back as the same double.
std::string exact_number(double value);

// `digits` significant digits: "0.01234", "1.2e-09".
std::string short_number(double value, int digits);
std::string short_number(const std::optional<double>& value, int digits);  // "-" for none

// "1,797".
std::string grouped_integer(uint64_t value);

// `text` with spaces before or after it, up to `width`.
std::string right(const std::string& text, size_t width);
std::string left(const std::string& text, size_t width);

}  // namespace ncscope::output
