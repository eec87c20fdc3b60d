#include "tests/bench/cuda/record.h"

#include <algorithm>
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
         ", \"most\": " + number(m.most) + ", \"runs\": " + std::to_string(m.runs) +
         (m.seconds > 0 ? ", \"seconds\": " + number(m.seconds) : "");
}

}  // namespace

void Record::ceiling(const std::string& name, const std::string& unit, const Measured& value) {
  Ceiling& there = ceilings_[name];
  there.unit = unit;
  there.measured.push_back(value);
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

bool Record::has(const std::string& name) const {
  return std::ranges::any_of(figures_, [&](const Figure& f) { return f.name == name; });
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
    out << comma << "\n  " << quoted(name) << ": {\"unit\": " << quoted(ceiling.unit)
        << ", \"measured\": [";
    comma = "";
    for (const Measured& m : ceiling.measured) {
      out << comma << "{" << measured(m) << "}";
      comma = ", ";
    }
    out << "]}";
    comma = ",";
  }
  out << "},\n\"figures\": [";
  comma = "";
  for (const Figure& f : figures_) {
    out << comma << "\n  {\"name\": " << quoted(f.name) << ", \"unit\": " << quoted(f.unit) << ", "
        << measured(f.value);
    comma = ",";
    if (!f.work.empty()) {
      out << ", \"work\": [";
      const char* between = "";
      for (const Work& w : f.work) {
        out << between << "{\"amount\": " << number(w.amount)
            << ", \"ceiling\": " << quoted(w.ceiling) << "}";
        between = ", ";
      }
      out << "]";
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
        << ", \"failed\": " << (s.failed ? "true" : "false") << "}";
    comma = ",";
  }
  out << "]\n}\n";
}

}  // namespace ncscope::bench
