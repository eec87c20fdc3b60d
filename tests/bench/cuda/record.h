// What a run of the card's benchmarks found, as JSON. Shares are taken when it is written, against
// the best that the same run has seen of each ceiling.
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

  // The same in another unit, for a rate of `amount` per second.
  Measured rate(double amount) const {
    return {amount / median, amount / most, amount / least, runs};
  }
};

struct Figure {
  std::string name;  // "scatter/d2048/syrk_add"
  std::string unit;  // "byte/s", "flop/s", "s"
  Measured value;
  // Name of a ceiling, or of another figure; a floor where the unit is s. Empty: none.
  std::string ceiling{};
  double ceiling_value = 0;  // where `ceiling` is a sum that only the figure's maker knows
  std::optional<double> share_at_least{};
  std::optional<double> seconds_at_most{};
  std::optional<double> error{};  // relative, against a float64 reference
  double error_at_most = 0;
  size_t peak_bytes = 0;  // of device memory, while it ran
  std::map<std::string, double> numbers{};
  std::string note{};
};

class Record {
 public:
  explicit Record(std::string mode) : mode_(std::move(mode)) {}

  void describe(const std::string& key, const std::string& value) { card_[key] = value; }
  // Keeps the better of what is there and this.
  void ceiling(const std::string& name, const std::string& unit, const Measured& value);
  void add(Figure figure);
  void skip(const std::string& name, const std::string& why, bool failed);

  // Value of a ceiling, or of a figure; 0 if it was not measured.
  double value_of(const std::string& name) const;
  // Whether a section failed, or a result was wrong.
  bool failed() const { return failed_; }
  void write(std::ostream& out) const;

 private:
  struct Ceiling {
    std::string unit;
    Measured value;
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
