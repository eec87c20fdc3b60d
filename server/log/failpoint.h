// Places where a test ends the server or makes an operation fail, to see what survives.
//
// NCSCOPE_FAILPOINTS=name=action[@n];...: at the n-th pass (default 1) `kill` ends the process by
// SIGKILL; `enospc` and `eio` fail the operation from then on, with @n that one time only. Read
// once at the start; where the variable is not set, a failpoint costs one comparison.
#pragma once

#include <string_view>

namespace ncscope::server {

namespace failpoints {
extern const bool kActive;
int pass(std::string_view name);
}  // namespace failpoints

// 0, or the errno that the operation is to fail with.
inline int failpoint(std::string_view name) {
  return failpoints::kActive ? failpoints::pass(name) : 0;
}

}  // namespace ncscope::server
