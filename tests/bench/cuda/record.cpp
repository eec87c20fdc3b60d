#include "tests/bench/cuda/record.h"

#include <cmath>
#include <cstdio>
#include <iostream>

namespace ncscope::bench {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

std::string measured(const Measured& m) {
  return "\"value\": " + number(m.median) + ", \"least\": " + number(m.least) +
         ", \"most\": " + number(m.most) + ", \"runs\": " + std::to_string(m.runs);
}

const char* truth(bool value) { return value ? "true" : "false"; }

}  // namespace

void Record::ceiling(const std::string& name, const std::string& unit, const Measured& value) {
  Ceiling& there = ceilings_[name];
  if (value.median > there.value.median) there = {unit, value};
  std::cerr << "ceiling " << name << ": " << number(value.median) << " " << unit << "\n";
}

void Record::add(Figure figure) {
  // NaN is wrong too.
  if (figure.error && !(*figure.error <= figure.error_at_most)) failed_ = true;
  std::cerr << figure.name << ": " << number(figure.value.median) << " " << figure.unit;
  if (figure.error) std::cerr << ", error " << number(*figure.error);
  std::cerr << "\n";
  figures_.push_back(std::move(figure));
}

void Record::skip(const std::string& name, const std::string& why, bool failed) {
  failed_ = failed_ || failed;
  std::cerr << (failed ? "FAILED " : "skipped ") << name << ": " << why << "\n";
  skipped_.push_back({name, why, failed});
}

double Record::value_of(const std::string& name) const {
  const auto found = ceilings_.find(name);
  if (found != ceilings_.end()) return found->second.value.median;
  for (const Figure& figure : figures_) {
    if (figure.name == name) return figure.value.median;
  }
  return 0;
}

void Record::write(std::ostream& out) const {
  out << "{\n\"mode\": " << quoted(mode_) << ",\n\"card\": {";
  const char* comma = "";
  for (const auto& [key, value] : card_) {
    out << comma << "\n  " << quoted(key) << ": " << quoted(value);
    comma = ",";
  }
  out << "},\n\"ceilings\": {";
  comma = "";
  for (const auto& [name, ceiling] : ceilings_) {
    out << comma << "\n  " << quoted(name) << ": {\"unit\": " << quoted(ceiling.unit) << ", "
        << measured(ceiling.value) << "}";
    comma = ",";
  }
  out << "},\n\"figures\": [";
  comma = "";
  for (const Figure& f : figures_) {
    out << comma << "\n  {\"name\": " << quoted(f.name) << ", \"unit\": " << quoted(f.unit) << ", "
        << measured(f.value);
    comma = ",";
    const double top = f.ceiling_value > 0 ? f.ceiling_value : value_of(f.ceiling);
    double share = NAN;
    if (!f.ceiling.empty() && top > 0) {
      share = f.unit == "s" ? top / f.value.median : f.value.median / top;
      out << ", \"ceiling\": " << quoted(f.ceiling) << ", \"ceiling_value\": " << number(top)
          << ", \"share\": " << number(share);
    }
    if (f.share_at_least || f.seconds_at_most) {
      const bool by_share = f.share_at_least.has_value();
      const double target = by_share ? *f.share_at_least : *f.seconds_at_most;
      const bool met = by_share ? share >= target : f.value.median < target;
      out << ", \"target\": {" << quoted(by_share ? "share_at_least" : "seconds_at_most") << ": "
          << number(target) << "}, \"met\": " << truth(met);
    }
    if (f.error) {
      out << ", \"error\": " << number(*f.error)
          << ", \"error_at_most\": " << number(f.error_at_most);
    }
    if (f.peak_bytes > 0) out << ", \"peak_device_bytes\": " << f.peak_bytes;
    for (const auto& [key, value] : f.numbers) out << ", " << quoted(key) << ": " << number(value);
    if (!f.note.empty()) out << ", \"note\": " << quoted(f.note);
    out << "}";
  }
  out << "],\n\"skipped\": [";
  comma = "";
  for (const Skip& s : skipped_) {
    out << comma << "\n  {\"name\": " << quoted(s.name) << ", \"why\": " << quoted(s.why)
        << ", \"failed\": " << truth(s.failed) << "}";
    comma = ",";
  }
  out << "]\n}\n";
}

}  // namespace ncscope::bench
