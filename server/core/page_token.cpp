#include "server/core/page_token.h"

#include <charconv>
#include <string_view>

#include "kernels/errors.h"
#include "server/core/text.h"

namespace ncscope::server {
namespace {

[[noreturn]] void refuse_token(const std::string& token) {
  throw InvalidArgument("page_token: expected the next_page_token of the previous answer, got '" +
                        printable(token) + "'");
}

template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

// "r<id>" or "o<run>".
RunPageToken parse_run_token(const std::string& token) {
  RunPageToken parsed;
  if (token.empty()) return parsed;
  const std::string rest = token.substr(1);
  if (token[0] == 'o') {
    parsed.after_run = rest;
  } else if (token[0] != 'r' || !parse_number(rest, parsed.before_id)) {
    refuse_token(token);
  }
  return parsed;
}

std::string write_token(const RunPageToken& token) {
  return token.after_run ? std::string(1, 'o').append(*token.after_run)
                         : std::string(1, 'r').append(std::to_string(token.before_id));
}

// "<epoch>/<split>/<layer>".
std::optional<SeriesKey> parse_report_token(const std::string& run, const std::string& token) {
  if (token.empty()) return std::nullopt;
  const size_t first = token.find('/');
  const size_t second = token.find('/', first + 1);
  SeriesKey key{run, 0, "", ""};
  if (first == std::string::npos || second == std::string::npos ||
      !parse_number(std::string_view(token).substr(0, first), key.epoch)) {
    refuse_token(token);
  }
  key.split = token.substr(first + 1, second - first - 1);
  key.layer = token.substr(second + 1);
  return key;
}

std::string write_token(const v1::SeriesKey& last) {
  return std::to_string(last.epoch()) + "/" + last.split() + "/" + last.layer();
}

}  // namespace ncscope::server
