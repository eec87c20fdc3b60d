// spectrum.*: eigenvalues of S_W, S_B and S_T, and how many directions they amount to: effective
// rank exp(entropy) (Roy and Vetterli, 2007), stable rank tr / lambda_max, participation ratio
// tr^2 / ||.||_F^2.
#include <algorithm>
#include <cmath>

#include "kernels/errors.h"
#include "kernels/metrics/between_product.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

constexpr size_t kLeading = 64;

// Where nobody asked, n^3 for the eigenvalues of an n x n matrix must stay small beside N d^2 for
// the samples.
bool cheap(const Statistics& s, size_t order) { return order <= 256 || s.samples / 64 >= s.dim; }

class Spectra {
 public:
  Spectra(Analysis& analysis, Spectrum asked, ReportValues& out)
      : analysis_(analysis), device_(analysis.device()), asked_(asked), out_(out) {}

  void within() {
    if (analysis_.no_within()) return undefined("within", *analysis_.no_within());
    set("within", "S_W", analysis_.dim(), analysis_.dim(), [&] {
      const DeviceMatrix matrix = scatter();
      return device_.eigenvalues(matrix);
    });
  }

  void between() {
    if (analysis_.no_between()) return undefined("between", *analysis_.no_between());
    const ConstMatrix means = analysis_.centered_means();
    const size_t order = by_classes(means) ? means.rows : means.cols;
    set("between", "S_B", order, std::min(means.rows - 1, means.cols), [&] {
      const DeviceMatrix matrix = device_.matrix(order, order);
      if (by_classes(means)) {
        device_.syrk(false, 1, weighted_rows(device_, means, analysis_.root_weights()), 0, matrix);
      } else {
        add_between_scatter(device_, means, analysis_.root_weights(), 0, matrix);
      }
      return device_.eigenvalues(matrix);
    });
  }

  void total() {
    if (analysis_.no_between()) return undefined("total", *analysis_.no_between());
    if (analysis_.no_within()) return undefined("total", *analysis_.no_within());
    set("total", "S_T", analysis_.dim(), analysis_.dim(), [&] {
      const DeviceMatrix matrix = scatter();
      add_between_scatter(device_, analysis_.centered_means(), analysis_.root_weights(), 1, matrix);
      return device_.eigenvalues(matrix);
    });
  }

 private:
  DeviceMatrix scatter() {
    const size_t dim = analysis_.dim();
    DeviceMatrix out = device_.upload({analysis_.statistics().scatter.data(), dim, dim});
    const double share = 1 / static_cast<double>(analysis_.statistics().samples);
    device_.scale_rows(out, std::vector<double>(dim, share));
    return out;
  }

  void undefined(const char* matrix, const std::string& reason) {
    out_.undefined(std::string("spectrum.") + matrix, reason);
  }

  // `eigenvalues` gives `order` of them, ascending; the last `count` may differ from zero.
  template <class Eigenvalues>
  void set(const std::string& matrix, const char* symbol, size_t order, size_t count,
           const Eigenvalues& eigenvalues) {
    const std::string group = "spectrum." + matrix;
    if (asked_ == Spectrum::kAuto && !cheap(analysis_.statistics(), order)) {
      out_.undefined(group,
                     "eigenvalues would cost much beside so few samples; they are computed where "
                     "asked for (spectrum \"leading\" or \"all\")");
      return;
    }
    std::vector<double> values;
    try {
      values = eigenvalues();
    } catch (const NumericalError& error) {
      out_.undefined(group, error.what());
      return;
    }
    std::ranges::reverse(values);
    values.resize(count);
    for (double& value : values) value = std::max(0.0, value);
    if (values[0] == 0) {
      out_.undefined(group, std::string(symbol) + " is zero");
      return;
    }
    // Shares of the largest, whose squares neither over- nor underflow.
    double sum = 0, squares = 0;
    for (const double value : values) {
      const double share = value / values[0];
      sum += share;
      squares += share * share;
    }
    double entropy = 0;
    for (const double value : values) {
      const double share = value / values[0] / sum;
      if (share > 0) entropy -= share * std::log(share);
    }
    out_.set(group + ".effective_rank", std::exp(entropy));
    out_.set(group + ".stable_rank", sum);
    out_.set(group + ".participation_ratio", sum * sum / squares);
    if (asked_ != Spectrum::kAll) values.resize(std::min(count, kLeading));
    out_.set_numbers(group + ".eigenvalues", std::move(values));
  }

  Analysis& analysis_;
  Device& device_;
  Spectrum asked_;
  ReportValues& out_;
};

}  // namespace

void spectrum(Analysis& analysis, ReportValues& out) {
  const Spectrum asked = analysis.spectrum();
  if (asked == Spectrum::kNone) {
    out.undefined("spectrum", "spectra were not asked for");
    return;
  }
  Spectra spectra(analysis, asked, out);
  spectra.within();
  spectra.between();
  spectra.total();
}

}  // namespace ncscope::metrics
