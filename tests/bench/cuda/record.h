// What a run of the card's benchmarks found, as JSON. Shares and targets are not its business:
// gpu_targets.py takes them from what is here.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace ncscope::bench {

// Median of some runs, in the figure's own unit.
struct Measured {
  double median = 0;
  double least = 0;
  double most = 0;
  int runs = 0;
  double seconds = 0;  // median, where the unit is a rate

  // The same in another unit, for a rate of `amount` per second.
  Measured rate(double amount) const {
    return {amount / median, amount / most, amount / least, runs, median};
  }
};

// Bytes or flops that a figure's time goes into, and the ceiling, or other figure, that bounds
// them.
struct Work {
  double amount = 0;
  std::string ceiling;
};

struct Figure {
  std::string name;  // "scatter/d2048/syrk_add"
  std::string unit;  // "byte/s", "flop/s", "s"
  Measured value;
  std::vector<Work> work{};  // the largest at its ceiling is the least time; none: no such bound
  std::optional<double> error{};  // relative, against a float64 reference
  double error_at_most = 0;
  size_t peak_bytes = 0;  // of device memory, while it ran
  std::map<std::string, double> numbers{};
  std::string note{};

  // Sets a rate of `amount` per second, bounded by `ceiling`.
  void set_rate(const Measured& seconds, double amount, const std::string& ceiling) {
    value = seconds.rate(amount);
    work.push_back({amount, ceiling});
  }
};

class Record {
 public:
  explicit Record(std::string mode) : mode_(std::move(mode)) {}

  void describe(const std::string& key, const std::string& value) { card_[key] = value; }
  // One of its measurements; all are kept.
  void ceiling(const std::string& name, const std::string& unit, const Measured& value);
  void add(Figure figure);
  void skip(const std::string& name, const std::string& why, bool failed);

  // Whether there is such a figure.
  bool has(const std::string& name) const;
  // Whether a section failed, or a result was wrong.
  bool failed() const { return failed_; }
  void write(std::ostream& out) const;

 private:
  struct Ceiling {
    std::string unit;
    std::vector<Measured> measured;
  };
  struct Skip {
    std::string name;
    std::string why;
    bool failed;
  };

  std::string mode_;
  std::map<std::string, std::string> card_;
  std::map<std::string, Ceiling> ceilings_;
  std::vector<Figure> figures_;
  std::vector<Skip> skipped_;
  bool failed_ = false;
};

}  // namespace ncscope::bench
