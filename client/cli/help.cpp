#include "client/cli/help.h"

#include <sstream>

#include "client/output/number.h"

namespace ncscope::cli {
namespace {

constexpr size_t kNameColumn = 28;
constexpr size_t kHelpWidth = 100;

// "--epoch E", without the checks that CLI11 puts behind a colon.
std::string option_name(const CLI::Option& option, bool is_positional) {
  const std::string name = option.get_name(is_positional, true);
  if (option.get_type_size() == 0) return name;
  const std::string type = option.get_type_name();
  const std::string plain = type.substr(0, type.find(':'));
  return plain.empty() || is_positional ? name : name + " " + plain;
}

std::string wrapped(const std::string& text) {
  std::string out;
  size_t column = kNameColumn;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (column + 1 + word.size() > kHelpWidth) {
      out += "\n" + std::string(kNameColumn, ' ');
      column = kNameColumn;
    } else if (column > kNameColumn) {
      out += " ";
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = "  " + option_name(*option, is_positional);
  std::string text = option->get_description();
  if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
  if (name.size() + 1 > kNameColumn) name += "\n" + std::string(kNameColumn, ' ');
  return output::left(name, kNameColumn) + wrapped(text) + "\n";
}

}  // namespace ncscope::cli
