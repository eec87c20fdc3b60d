// Where output goes: standard output, or a file that is whole or not there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ncscope::output {

// Writes `text` to standard output, or to a temporary file beside `path` which then takes its
// place. Throws Error with the cause.
void write_document(const std::string& text, const std::optional<std::filesystem::path>& path);

// Writes to standard output at once, for lines that come over time. Throws Error.
void write_now(const std::string& text);

}  // namespace ncscope::output
