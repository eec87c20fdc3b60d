// Client input inside error texts and logs.
#pragma once

#include <string>
#include <string_view>

namespace ncscope::server {

// `text` without control characters, cut to 128 characters.
std::string printable(std::string_view text);

// Bytes as people read them: "1.5 GiB".
std::string format_bytes(size_t bytes);

}  // namespace ncscope::server
