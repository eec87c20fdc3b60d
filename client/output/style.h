// Colours of a terminal, or none.
#pragma once

#include <string>

namespace ncscope::output {

struct Style {
  bool color = false;

  std::string heading(const std::string& text) const { return wrap("1", text); }
  std::string faint(const std::string& text) const { return wrap("2", text); }
  std::string alert(const std::string& text) const { return wrap("33", text); }

 private:
  std::string wrap(const char* code, const std::string& text) const {
    return color ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text;
  }
};

// Colours if standard output is a terminal that knows them and NO_COLOR is not set.
Style terminal_style();

}  // namespace ncscope::output
