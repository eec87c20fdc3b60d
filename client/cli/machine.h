// What the machine is, for `doctor`.
#pragma once

#include <string>

namespace ncscope::cli {

// "Intel(R) Xeon(R) ..., 8 threads".
std::string processor_text();

// "14.2 of 15.6 GiB available".
std::string memory_text();

}  // namespace ncscope::cli
