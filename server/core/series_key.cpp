#include "server/core/series_key.h"

#include <algorithm>

#include "kernels/errors.h"
#include "server/core/text.h"

namespace ncscope::server {
namespace {

constexpr size_t kMaxRunName = 128;
constexpr size_t kMaxShortName = 64;

bool is_name_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

void check_name(const char* what, const std::string& name, size_t max_length) {
  if (!name.empty() && name.size() <= max_length &&
      std::all_of(name.begin(), name.end(), is_name_character)) {
    return;
  }
  throw InvalidArgument(std::string(what) + ": expected 1 to " + std::to_string(max_length) +
                        " characters of [A-Za-z0-9._-], got " + std::to_string(name.size()) +
                        ": '" + printable(name) + "'");
}

}  // namespace

void check_run_name(const std::string& run) { check_name("run", run, kMaxRunName); }

void check_short_name(const char* what, const std::string& name) {
  check_name(what, name, kMaxShortName);
}

SeriesKey parse_key(const v1::SeriesKey& key) {
  SeriesKey out{key.run(), key.epoch(), key.split().empty() ? kTrainSplit : key.split(),
                key.layer().empty() ? "features" : key.layer()};
  check_run_name(out.run);
  check_short_name("split", out.split);
  check_short_name("layer", out.layer);
  return out;
}

SeriesKey train_of(const SeriesKey& key) { return {key.run, key.epoch, kTrainSplit, key.layer}; }

v1::SeriesKey key_message(const SeriesKey& key) {
  v1::SeriesKey out;
  out.set_run(key.run);
  out.set_epoch(key.epoch);
  out.set_split(key.split);
  out.set_layer(key.layer);
  return out;
}

std::string describe(const SeriesKey& key) {
  return "run '" + key.run + "', epoch " + std::to_string(key.epoch) + ", split '" + key.split +
         "', layer '" + key.layer + "'";
}

}  // namespace ncscope::server
