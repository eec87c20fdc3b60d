// Text of untrusted files in messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ncscope::files {

// `text` in quotes, at most 60 characters of it, with control and non-ASCII bytes as \xNN.
std::string quote(std::string_view text);

// "[50000, 512]".
std::string shape_text(const std::vector<uint64_t>& shape);

}  // namespace ncscope::files
