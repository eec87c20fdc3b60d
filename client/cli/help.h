// How --help looks: names left, what they do right, within 100 columns.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ncscope::cli {

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

}  // namespace ncscope::cli
