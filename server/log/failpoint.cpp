#include "server/log/failpoint.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

namespace ncscope::server::failpoints {
namespace {

struct Point {
  int error = 0;     // 0: kill
  long at = 1;       // pass
  bool once = true;  // else from then on
  long passes = 0;
};

using Points = std::map<std::string, Point, std::less<>>;

[[noreturn]] void refuse(const std::string& entry) {
  std::fprintf(stderr, "NCSCOPE_FAILPOINTS: expected name=kill|enospc|eio[@n], got '%s'\n",
               entry.c_str());
  std::exit(2);
}

void add_point(const std::string& entry, Points& points) {
  const size_t equals = entry.find('=');
  if (equals == std::string::npos) refuse(entry);
  std::string action = entry.substr(equals + 1);
  Point point;
  const size_t place = action.find('@');
  if (place != std::string::npos) {
    point.at = std::atol(action.c_str() + place + 1);
    action.resize(place);
  }
  if (action == "enospc") {
    point.error = ENOSPC;
  } else if (action == "eio") {
    point.error = EIO;
  } else if (action != "kill") {
    refuse(entry);
  }
  point.once = place != std::string::npos;
  if (point.at < 1) refuse(entry);
  points[entry.substr(0, equals)] = point;
}

Points read_points() {
  Points points;
  const char* const text = std::getenv("NCSCOPE_FAILPOINTS");
  if (text == nullptr) return points;
  std::string rest = text;
  while (!rest.empty()) {
    const size_t end = rest.find(';');
    add_point(rest.substr(0, end), points);
    rest = end == std::string::npos ? "" : rest.substr(end + 1);
  }
  return points;
}

}  // namespace

const bool kActive = std::getenv("NCSCOPE_FAILPOINTS") != nullptr;

int pass(std::string_view name) {
  static std::mutex mutex;
  static Points points = read_points();
  const std::lock_guard lock(mutex);
  const auto found = points.find(name);
  if (found == points.end()) return 0;
  Point& point = found->second;
  ++point.passes;
  if (point.passes < point.at || (point.once && point.passes > point.at)) return 0;
  if (point.error == 0) std::raise(SIGKILL);
  return point.error;
}

}  // namespace ncscope::server::failpoints
