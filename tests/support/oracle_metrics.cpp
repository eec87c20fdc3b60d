#include "tests/support/oracle_metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/support/jacobi.h"
#include "tests/support/oracle_vectors.h"

namespace ncscope::test {
namespace {

using oracle::dot, oracle::etf_error, oracle::frobenius, oracle::mean, oracle::mean_row;
using oracle::minus, oracle::norm, oracle::norms, oracle::variance;
using oracle::Real, oracle::Rows, oracle::Vector;

class Oracle {
 public:
  Oracle(const Samples& samples, const Classifier* classifier, Weighting weighting,
         const Samples* train, bool ood)
      : samples_(samples),
        classifier_(classifier),
        weighting_(weighting),
        train_(train),
        ood_(ood),
        dim_(samples.dim) {
    const size_t count = samples.labels.size();
    for (size_t i = 0; i < count; ++i) {
      const double* row = samples.values.data() + i * dim_;
      features_.emplace_back(row, row + dim_);
    }
    Rows sums(samples.num_classes, Vector(dim_, 0));
    std::vector<uint64_t> counts(samples.num_classes, 0);
    for (size_t i = 0; i < count; ++i) {
      counts[samples.labels[i]] += 1;
      for (size_t j = 0; j < dim_; ++j) sums[samples.labels[i]][j] += features_[i][j];
    }
    row_of_.assign(samples.num_classes, 0);
    for (size_t c = 0; c < samples.num_classes; ++c) {
      if (counts[c] == 0) {
        out_.absent.push_back(static_cast<uint32_t>(c));
        continue;
      }
      for (Real& x : sums[c]) x /= static_cast<Real>(counts[c]);
      row_of_[c] = means_.size();
      classes_.push_back(static_cast<uint32_t>(c));
      counts_.push_back(counts[c]);
      means_.push_back(sums[c]);
      weights_.push_back(weighting == Weighting::kByCount
                             ? static_cast<Real>(counts[c]) / static_cast<Real>(count)
                             : 0);
    }
    if (weighting == Weighting::kUniform) {
      weights_.assign(present(), 1 / static_cast<Real>(present()));
    }
    global_mean_ = mean_row(means_, weights_);
    for (const Vector& row : means_) centered_.push_back(minus(row, global_mean_));
    within_scatter();
    centers_ = means_;
    center_classes_ = classes_;
    if (train != nullptr) train_means();
  }

  OracleMetrics run() {
    data();
    nc1(dtype_epsilon(samples_.type));
    cdnv();
    etf("nc2.means.", centered_, means_, classes_);
    class_columns();
    minority();
    if (classifier_ != nullptr) duality();
    decide();
    if (!ood_) class_groups();
    if (train_ != nullptr) test_collapse();
    if (ood_) orthogonality();
    return std::move(out_);
  }

 private:
  size_t present() const { return classes_.size(); }
  void set(const std::string& path, Real value) { out_.numbers[path] = static_cast<double>(value); }
  void column(const std::string& field, const Vector& values) {
    out_.columns[field] = std::vector<std::optional<double>>(values.begin(), values.end());
  }

  void within_scatter() {
    const Real count = static_cast<Real>(features_.size());
    scatter_.assign(dim_ * dim_, 0);
    variances_.assign(present(), 0);
    for (size_t i = 0; i < features_.size(); ++i) {
      const size_t c = row_of_[samples_.labels[i]];
      const Vector e = minus(features_[i], means_[c]);
      variances_[c] += dot(e, e) / static_cast<Real>(counts_[c]);
      for (size_t j = 0; j < dim_; ++j) {
        for (size_t k = 0; k < dim_; ++k) scatter_[j * dim_ + k] += e[j] * e[k] / count;
      }
    }
  }

  void train_means() {
    centers_.clear();
    center_classes_.clear();
    for (size_t c = 0; c < train_->num_classes; ++c) {
      Vector sum(dim_, 0);
      Real count = 0;
      for (size_t i = 0; i < train_->labels.size(); ++i) {
        if (train_->labels[i] != static_cast<int32_t>(c)) continue;
        count += 1;
        for (size_t j = 0; j < dim_; ++j) sum[j] += train_->values[i * dim_ + j];
      }
      if (count == 0) continue;
      for (Real& x : sum) x /= count;
      centers_.push_back(sum);
      center_classes_.push_back(static_cast<uint32_t>(c));
    }
  }

  void test_collapse() {
    set("test_collapse.weak",
        Real{out_.numbers.at("nc1.within_trace")} / Real{out_.numbers.at("nc1.between_trace")});
    Rows shared;
    Vector weights;
    Real squares = 0, count = 0;
    for (size_t t = 0; t < centers_.size(); ++t) {
      Real here = 0;
      for (size_t i = 0; i < features_.size(); ++i) {
        if (samples_.labels[i] != static_cast<int32_t>(center_classes_[t])) continue;
        here += 1;
        const Vector e = minus(features_[i], centers_[t]);
        squares += dot(e, e);
      }
      if (here == 0) continue;
      shared.push_back(centers_[t]);
      weights.push_back(here);
      count += here;
    }
    for (Real& w : weights) {
      w = weighting_ == Weighting::kByCount ? w / count : 1 / static_cast<Real>(shared.size());
    }
    const Vector center = mean_row(shared, weights);
    Real between = 0;
    for (size_t t = 0; t < shared.size(); ++t) {
      const Vector m = minus(shared[t], center);
      between += weights[t] * dot(m, m);
    }
    set("test_collapse.strong", squares / count / between);
  }

  void orthogonality() {
    Vector all(dim_, 0);
    for (const Vector& h : features_) {
      for (size_t j = 0; j < dim_; ++j) all[j] += h[j] / static_cast<Real>(features_.size());
    }
    Vector cosines;
    for (const Vector& row : centers_) {
      cosines.push_back(std::fabs(dot(row, all) / (norm(row) * norm(all))));
    }
    set("nc5.orthogonality", mean(cosines));
  }

  void data() {
    set("data.samples", static_cast<Real>(features_.size()));
    set("data.num_classes", static_cast<Real>(samples_.num_classes));
    set("data.present_classes", static_cast<Real>(present()));
    set("data.dim", static_cast<Real>(dim_));
    set("data.min_class_count", static_cast<Real>(*std::ranges::min_element(counts_)));
    set("data.max_class_count", static_cast<Real>(*std::ranges::max_element(counts_)));
    set("data.singletons", static_cast<Real>(std::ranges::count(counts_, 1u)));
    set("data.absent_classes", static_cast<Real>(out_.absent.size()));
    set("data.skipped_nonfinite", 0);
    set("data.ignored", 0);
  }

  // u_k^T S u_k.
  Real along(const oracle::Eigen& eigen, size_t k, const std::vector<Real>& s) const {
    const Real* u = eigen.vectors.data() + k * dim_;
    Real sum = 0;
    for (size_t i = 0; i < dim_; ++i) {
      for (size_t j = 0; j < dim_; ++j) sum += u[i] * s[i * dim_ + j] * u[j];
    }
    return sum;
  }

  void nc1(double spacing) {
    Real within = 0, between = 0, squares = 0;
    for (size_t j = 0; j < dim_; ++j) within += scatter_[j * dim_ + j];
    for (size_t c = 0; c < present(); ++c) between += weights_[c] * dot(centered_[c], centered_[c]);
    for (const Vector& h : features_) squares += dot(h, h);
    set("nc1.within_trace", within);
    set("nc1.between_trace", between);
    set("nc1.total_trace", within + between);
    set("nc1.quotient", within / between);
    const Real size = static_cast<Real>(features_.size() * dim_);
    const Real rms = std::sqrt(squares / size);
    set("nc1.precision_floor",
        (spacing * rms) * (spacing * rms) / 12 * static_cast<Real>(dim_) / between);

    std::vector<Real> s_b(dim_ * dim_, 0);
    for (size_t c = 0; c < present(); ++c) {
      for (size_t j = 0; j < dim_; ++j) {
        for (size_t k = 0; k < dim_; ++k) {
          s_b[j * dim_ + k] += weights_[c] * centered_[c][j] * centered_[c][k];
        }
      }
    }
    const oracle::Eigen eigen = oracle::jacobi(s_b, dim_);
    const Real largest = *std::ranges::max_element(eigen.values);
    const Real cutoff = static_cast<Real>(std::max(present(), dim_)) * 0x1p-52 * largest;
    Real trace = 0, span = 0, smallest = largest;
    size_t rank = 0;
    for (size_t k = 0; k < dim_; ++k) {
      if (eigen.values[k] <= cutoff) continue;
      ++rank;
      smallest = std::min(smallest, eigen.values[k]);
      const Real variance = along(eigen, k, scatter_);
      span += variance;
      trace += variance / eigen.values[k];
    }
    set("nc1.pinv", trace / static_cast<Real>(present()));
    set("nc1.rank", static_cast<Real>(rank));
    set("nc1.cutoff", cutoff);
    set("nc1.condition", largest / smallest);
    set("nc1.outside_span", rank == dim_ ? 0 : (within - span) / within);

    std::vector<Real> s_t = scatter_;
    for (size_t i = 0; i < s_t.size(); ++i) s_t[i] += s_b[i];
    const oracle::Eigen total = oracle::jacobi(s_t, dim_);
    const Real least = 0x1p-52L * *std::ranges::max_element(total.values);
    Real explained = 0;
    for (size_t k = 0; k < dim_; ++k) {
      if (total.values[k] <= least) continue;
      explained += along(total, k, s_b) / total.values[k];
    }
    set("nc1.vci", 1 - explained / static_cast<Real>(rank));

    spectrum("spectrum.within.", oracle::jacobi(scatter_, dim_).values, dim_);
    spectrum("spectrum.between.", eigen.values, std::min(present() - 1, dim_));
    spectrum("spectrum.total.", total.values, dim_);
  }

  void spectrum(const std::string& group, Vector values, size_t count) {
    std::ranges::sort(values, std::greater());
    values.resize(count);
    Real sum = 0, squares = 0, entropy = 0;
    for (const Real value : values) {
      sum += value;
      squares += value * value;
    }
    for (const Real value : values) {
      if (value > 0) entropy -= value / sum * std::log(value / sum);
    }
    set(group + "effective_rank", std::exp(entropy));
    set(group + "stable_rank", sum / values[0]);
    set(group + "participation_ratio", sum * sum / squares);
    values.resize(std::min<size_t>(count, 64));
    out_.number_lists[group + "eigenvalues"] = {values.begin(), values.end()};
  }

  void minority() {
    if (std::ranges::min(counts_) == std::ranges::max(counts_) || present() < 6) return;
    std::vector<std::pair<uint64_t, size_t>> order;
    for (size_t c = 0; c < present(); ++c) order.emplace_back(counts_[c], c);
    std::ranges::sort(order);
    const size_t rare = present() / 3;
    Rows means, weight;
    for (size_t i = 0; i < rare; ++i) {
      const size_t c = order[i].second;
      means.push_back(centered_[c]);
      if (classifier_ == nullptr) continue;
      const double* row = classifier_->weight.data() + classes_[c] * dim_;
      weight.emplace_back(row, row + dim_);
    }
    set("minority.classes", static_cast<Real>(rare));
    set("minority.means_cosine", mean_pair_cosine(means));
    if (classifier_ != nullptr) set("minority.classifier_cosine", mean_pair_cosine(weight));
  }

  static Real mean_pair_cosine(const Rows& rows) {
    Vector cosines;
    for (size_t a = 0; a < rows.size(); ++a) {
      for (size_t b = a + 1; b < rows.size(); ++b) {
        cosines.push_back(dot(rows[a], rows[b]) / (norm(rows[a]) * norm(rows[b])));
      }
    }
    return mean(cosines);
  }

  void cdnv() {
    Real sum = 0, fourth = 0, worst = -1, pairs = 0;
    for (size_t a = 0; a < present(); ++a) {
      for (size_t b = a + 1; b < present(); ++b) {
        const Real distance = norm(minus(means_[a], means_[b]));
        const Real value = (variances_[a] + variances_[b]) / (2 * distance * distance);
        sum += value;
        fourth += value / (distance * distance);
        pairs += 1;
        if (value > worst) {
          worst = value;
          out_.pairs["nc1.cdnv_worst_pair"] = {classes_[a], classes_[b]};
        }
      }
    }
    set("nc1.cdnv", sum / pairs);
    set("nc1.cdnv_fourth", fourth / pairs);
    set("nc1.cdnv_max", worst);
  }

  void etf(const std::string& group, const Rows& rows, const Rows& raw,
           const std::vector<uint32_t>& labels) {
    const Real m = static_cast<Real>(rows.size());
    Vector cosines;
    Real angle = 0, largest = -2;
    for (size_t a = 0; a < rows.size(); ++a) {
      for (size_t b = a + 1; b < rows.size(); ++b) {
        const Real cosine = dot(rows[a], rows[b]) / (norm(rows[a]) * norm(rows[b]));
        cosines.push_back(cosine);
        angle += std::abs(cosine + 1 / (m - 1));
        if (cosine > largest) {
          largest = cosine;
          out_.pairs[group + "coherence_pair"] = {labels[a], labels[b]};
        }
      }
    }
    set(group + "equinorm", std::sqrt(variance(norms(rows))) / mean(norms(rows)));
    set(group + "equinorm_raw", std::sqrt(variance(norms(raw))) / mean(norms(raw)));
    set(group + "equiangular", std::sqrt(variance(cosines)));
    set(group + "max_angle", angle / static_cast<Real>(cosines.size()));
    set(group + "coherence", largest);
    set(group + "etf_error", etf_error(rows, rows));
    uniformity(group + "uniformity_", rows);
    const Real reach = static_cast<Real>(dim_) / (m - 1);
    set(group + "etf_floor", reach >= 1 ? 0 : std::sqrt(2 - 2 * std::sqrt(reach)));
  }

  // Of unit rows. Two of one direction have no log of their distance, and no negative power of it.
  void uniformity(const std::string& prefix, const Rows& rows) {
    Rows units;
    for (const Vector& row : rows) {
      units.push_back(row);
      for (Real& x : units.back()) x /= norm(row);
    }
    const Real s = static_cast<Real>(dim_) - 2;
    const Real sign = s > 0 ? 1 : s < 0 ? -1 : 0;
    Vector distances, logs, riesz;
    bool aligned = false;
    for (size_t a = 0; a < units.size(); ++a) {
      for (size_t b = a + 1; b < units.size(); ++b) {
        const Real distance = norm(minus(units[a], units[b]));
        aligned = aligned || distance < 1e-15;
        distances.push_back(distance);
        logs.push_back(-std::log(distance));
        riesz.push_back(sign * std::pow(distance, -s));
      }
    }
    set(prefix + "distance_mean", mean(distances));
    set(prefix + "distance_var", variance(distances));
    if (!aligned) {
      set(prefix + "log_mean", mean(logs));
      set(prefix + "log_var", variance(logs));
    }
    if (!aligned || s <= 0) {
      set(prefix + "riesz_mean", mean(riesz));
      set(prefix + "riesz_var", variance(riesz));
    }
  }

  void duality() {
    Rows all, weight;
    Vector bias, columns(dim_, 0);
    for (size_t c = 0; c < samples_.num_classes; ++c) {
      const double* row = classifier_->weight.data() + c * dim_;
      all.emplace_back(row, row + dim_);
      for (size_t j = 0; j < dim_; ++j) columns[j] += row[j];
    }
    for (const uint32_t label : classes_) {
      weight.push_back(all[label]);
      bias.push_back(classifier_->bias.empty() ? 0 : classifier_->bias[label]);
    }
    const Real count = static_cast<Real>(all.size());
    const Vector center = mean_row(all, Vector(all.size(), 1 / count));
    Rows centered;
    std::vector<uint32_t> labels;
    for (size_t c = 0; c < all.size(); ++c) {
      centered.push_back(minus(all[c], center));
      labels.push_back(static_cast<uint32_t>(c));
    }
    etf("nc2.classifier.", centered, all, labels);

    Vector cosines, dots;
    Real distance = 0, collapse = 0;
    for (size_t c = 0; c < present(); ++c) {
      dots.push_back(dot(weight[c], centered_[c]));
      cosines.push_back(dots[c] / (norm(weight[c]) * norm(centered_[c])));
      const Real score = dot(weight[c], global_mean_) + bias[c];
      collapse += score * score;
      for (size_t j = 0; j < dim_; ++j) {
        const Real x = weight[c][j] / frobenius(weight) - centered_[c][j] / frobenius(centered_);
        distance += x * x;
      }
    }
    set("nc3.distance", std::sqrt(distance));
    set("nc3.structure_error", etf_error(weight, centered_));
    set("nc3.cosine_mean", mean(cosines));
    set("nc3.cosine_std", std::sqrt(variance(cosines)));
    set("nc3.cosine_min", *std::ranges::min_element(cosines));
    set("nc3.uniform_duality", variance(dots));
    set("nc3.bias_collapse", std::sqrt(collapse));
    set("nc3.nc0", norm(columns) / count);
    column("weight_norm", norms(weight));
    column("cosine", cosines);
  }

  void class_columns() {
    Vector nearest, distances;
    for (size_t a = 0; a < present(); ++a) {
      size_t best = a;
      Real least = 0;
      for (size_t b = 0; b < present(); ++b) {
        const Real distance = norm(minus(means_[a], means_[b]));
        if (b != a && (best == a || distance < least)) {
          best = b;
          least = distance;
        }
      }
      nearest.push_back(classes_[best]);
      distances.push_back(least);
    }
    column("label", Vector(classes_.begin(), classes_.end()));
    column("count", Vector(counts_.begin(), counts_.end()));
    column("within_variance", variances_);
    column("mean_norm", norms(centered_));
    column("nearest_class", nearest);
    column("nearest_distance", distances);
  }

  // Lowest class index on ties, in both.
  size_t nearest_center(const Vector& h) const {
    size_t best = 0;
    for (size_t c = 1; c < centers_.size(); ++c) {
      const Vector there = minus(h, centers_[c]), here = minus(h, centers_[best]);
      if (dot(there, there) < dot(here, here)) best = c;
    }
    return center_classes_[best];
  }

  std::optional<size_t> decision(size_t i) const {
    if (classifier_ == nullptr) {
      if (samples_.predictions.empty()) return std::nullopt;
      return samples_.predictions[i];
    }
    size_t best = 0;
    Real best_score = 0;
    for (size_t c = 0; c < samples_.num_classes; ++c) {
      const double* row = classifier_->weight.data() + c * dim_;
      const Real bias = classifier_->bias.empty() ? 0 : classifier_->bias[c];
      const Real score = dot(Vector(row, row + dim_), features_[i]) + bias;
      if (c == 0 || score > best_score) {
        best = c;
        best_score = score;
      }
    }
    return best;
  }

  void decide() {
    Vector agreement(present(), 0), ncc(present(), 0), correct(present(), 0);
    bool decided = false;
    for (size_t i = 0; i < features_.size(); ++i) {
      const size_t label = samples_.labels[i];
      const size_t c = row_of_[label];
      const size_t center = nearest_center(features_[i]);
      ncc[c] += center == label;
      const std::optional<size_t> choice = decision(i);
      if (!choice) continue;
      decided = true;
      agreement[c] += *choice == center;
      correct[c] += *choice == label;
    }
    share("ncc_accuracy", ncc);
    if (!decided) return;
    share("agreement", agreement);
    share("classifier_accuracy", correct);
  }

  void share(const std::string& field, Vector hits) {
    Real total = 0;
    for (size_t c = 0; c < present(); ++c) {
      total += hits[c];
      hits[c] /= static_cast<Real>(counts_[c]);
    }
    set("nc4." + field, total / static_cast<Real>(features_.size()));
    column(field, hits);
  }

  // Of the columns that are there by now: means over a group's classes; decisions over its samples.
  void class_groups() {
    std::vector<uint64_t> trained = counts_;
    for (size_t c = 0; train_ != nullptr && c < present(); ++c) {
      trained[c] = static_cast<uint64_t>(
          std::ranges::count(train_->labels, static_cast<int32_t>(classes_[c])));
    }
    if (present() < 3 || std::ranges::min(trained) == std::ranges::max(trained)) return;
    std::vector<std::pair<uint64_t, size_t>> order;
    for (size_t c = 0; c < present(); ++c) order.emplace_back(trained[c], c);
    std::ranges::sort(order);
    const size_t third = present() / 3;
    for (const auto& [name, first, last] :
         {std::tuple("tail", size_t{0}, third), std::tuple("mid", third, present() - third),
          std::tuple("head", present() - third, present())}) {
      const std::string group = std::string("class_groups.") + name + ".";
      set(group + "classes", static_cast<Real>(last - first));
      set(group + "least_count", static_cast<Real>(order[first].first));
      set(group + "most_count", static_cast<Real>(order[last - 1].first));
      Real samples = 0;
      for (size_t i = first; i < last; ++i) samples += static_cast<Real>(counts_[order[i].second]);
      set(group + "samples", samples);
      const auto average = [&](const std::string& field, bool by_count) {
        const auto column = out_.columns.find(field);
        if (column == out_.columns.end()) return;
        Real sum = 0;
        for (size_t i = first; i < last; ++i) {
          const Real weight = by_count ? static_cast<Real>(counts_[order[i].second]) / samples
                                       : 1 / static_cast<Real>(last - first);
          sum += weight * *column->second[order[i].second];
        }
        set(group + field, sum);
      };
      for (const char* field : {"within_variance", "mean_norm", "weight_norm", "cosine"}) {
        average(field, false);
      }
      for (const char* field : {"classifier_accuracy", "ncc_accuracy", "agreement"}) {
        average(field, true);
      }
      set(group + "quotient", out_.numbers[group + "within_variance"] /
                                  static_cast<Real>(out_.numbers["nc1.between_trace"]));
    }
  }

  const Samples& samples_;
  const Classifier* classifier_;
  Weighting weighting_;
  const Samples* train_;
  bool ood_;
  size_t dim_;
  Rows features_;
  std::vector<size_t> row_of_;     // [K] row of a present class
  std::vector<uint32_t> classes_;  // [P]
  std::vector<uint64_t> counts_;
  Rows means_;
  Vector weights_;
  Vector global_mean_;
  Rows centered_;
  Vector variances_;
  std::vector<Real> scatter_;  // S_W
  Rows centers_;               // of the nearest-centre rule
  std::vector<uint32_t> center_classes_;
  OracleMetrics out_;
};

}  // namespace

OracleMetrics oracle_metrics(const Samples& samples, const Classifier* classifier,
                             Weighting weighting, const Samples* train, bool ood) {
  return Oracle(samples, classifier, weighting, train, ood).run();
}

}  // namespace ncscope::test
