// Right logs, and some that claim what they do not hold, for the targets of logs.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ncscope::fuzz {

// Names and inputs.
std::vector<std::pair<std::string, std::string>> epoch_log_seeds();

}  // namespace ncscope::fuzz
