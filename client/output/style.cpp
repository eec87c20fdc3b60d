#include "client/output/style.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace ncscope::output {

Style terminal_style() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool wanted = no_color == nullptr || *no_color == '\0';
  const bool able = terminal != nullptr && std::string_view(terminal) != "dumb";
  return {wanted && able && ::isatty(STDOUT_FILENO) == 1};
}

}  // namespace ncscope::output
