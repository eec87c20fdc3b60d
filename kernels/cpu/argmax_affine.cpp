// CpuDevice: the class with the largest score, for each row. A block of rows meets a tile of
// classes at a time, in float32 (float64 for float64 features), and only the two largest scores of
// a row are kept. A row whose margin its rounding error could explain is decided in float64
// instead: the classes that could be the largest are scored by a plain loop in the order of the
// columns, points by their distance.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/argmax_row.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/products.h"
#include "kernels/score_error.h"

namespace ncscope {
namespace {

constexpr size_t kMostRows = 1024;
constexpr size_t kFewestRows = 64;
constexpr size_t kBlockElements = size_t{1} << 23;
constexpr size_t kTileClasses = 512;
constexpr size_t kRowsPerTask = 16;
constexpr double kLowest = -std::numeric_limits<double>::infinity();

template <class T>
class ArgmaxSweep {
 public:
  ArgmaxSweep(const Batch& batch, const AffineScores& scores, ThreadPool& pool)
      : batch_(batch),
        scores_(scores),
        pool_(pool),
        dim_(batch.dim),
        center_(scores.center.empty() ? nullptr : scores.center.data()),
        block_rows_(
            std::min(batch.rows, std::clamp(kBlockElements / dim_, kFewestRows, kMostRows))),
        tile_classes_(std::min(scores.rows.rows, kTileClasses)),
        rows_(block_rows_ * dim_),
        norms_(block_rows_),
        tops_(block_rows_),
        classes_(tile_classes_ * dim_),
        class_norms_(tile_classes_),
        dots_(block_rows_ * tile_classes_) {
    for (const double t : scores.offset) {
      largest_offset_ = std::max(largest_offset_, std::fabs(t));
    }
  }

  std::vector<int32_t> run() {
    std::vector<int32_t> out(batch_.rows);
    for (size_t first = 0; first < batch_.rows; first += block_rows_) {
      decide_block(first, std::min(block_rows_, batch_.rows - first), out.data() + first);
    }
    return out;
  }

 private:
  void decide_block(size_t first, size_t count, int32_t* out) {
    load_rows(first, count);
    for_tiles(count, [&](size_t row, size_t c0, size_t classes, const T* dots) {
      update_top_two(dots, scores_.offset.data() + c0, classes, c0, tops_[row]);
    });
    unclear_.clear();
    for (size_t i = 0; i < count; ++i) {
      const double error = error_of(norms_[i]);
      out[i] = static_cast<int32_t>(tops_[i].place);
      if (tops_[i].best - tops_[i].second > 2 * error) continue;
      unclear_.push_back({i, first + i, tops_[i].best - 2 * error, kLowest, 0});
    }
    if (unclear_.empty()) return;
    // Their scores once more, to see which classes come into question.
    for (size_t u = 0; u < unclear_.size(); ++u) {
      const size_t i = unclear_[u].row_in_block;
      if (i != u) std::copy_n(rows_.data() + i * dim_, dim_, rows_.data() + u * dim_);
    }
    for_tiles(unclear_.size(), [&](size_t row, size_t c0, size_t classes, const T* dots) {
      decide_exactly(unclear_[row], c0, classes, dots);
    });
    for (const Unclear& u : unclear_) out[u.row_in_block] = static_cast<int32_t>(u.place);
  }

  double error_of(double norm) const {
    return score_error<T>(dim_, scores_.points, norm, largest_norm_, largest_offset_);
  }

  struct Unclear {
    size_t row_in_block;
    size_t row_in_batch;
    double least;  // a class that scores less in T is not the largest in float64
    double best;
    size_t place;
  };

  // Rows to T, about the center.
  void load_rows(size_t first, size_t count) {
    const size_t row_bytes = dim_ * dtype_size(batch_.type);
    for_row_tasks(count, [&](size_t begin, size_t end) {
      std::vector<double> values(dim_);
      for (size_t i = begin; i < end; ++i) {
        convert(batch_.type, features(first + i, row_bytes), dim_, values.data());
        norms_[i] = std::sqrt(center_row(values.data(), center_, dim_, rows_.data() + i * dim_));
        tops_[i] = {kLowest, kLowest, 0};
      }
    });
  }

  const std::byte* features(size_t row, size_t row_bytes) const {
    return static_cast<const std::byte*>(batch_.features) + row * row_bytes;
  }

  void load_classes(size_t first, size_t count) {
    for_row_tasks(count, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        class_norms_[i] = std::sqrt(
            center_row(scores_.rows.row(first + i), nullptr, dim_, classes_.data() + i * dim_));
      }
    });
    for (size_t i = 0; i < count; ++i) {
      largest_norm_ = std::max(largest_norm_, class_norms_[i]);
    }
  }

  // Calls body(row, first class, classes, dots) for the first `count` rows and every tile.
  template <class Body>
  void for_tiles(size_t count, const Body& body) {
    for (size_t c0 = 0; c0 < scores_.rows.rows; c0 += tile_classes_) {
      const size_t classes = std::min(tile_classes_, scores_.rows.rows - c0);
      load_classes(c0, classes);
      products::gemm(pool_, false, true, count, classes, dim_, T{1}, rows_.data(), dim_,
                     classes_.data(), dim_, T{0}, dots_.data(), classes);
      for_row_tasks(count, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) body(i, c0, classes, dots_.data() + i * classes);
      });
    }
  }

  template <class Body>
  void for_row_tasks(size_t count, const Body& body) {
    pool_.run((count + kRowsPerTask - 1) / kRowsPerTask, [&](size_t task) {
      body(task * kRowsPerTask, std::min(count, (task + 1) * kRowsPerTask));
    });
  }

  void decide_exactly(Unclear& row, size_t c0, size_t classes, const T* dots) const {
    std::vector<size_t> candidates;
    for (size_t j = 0; j < classes; ++j) {
      if (double{dots[j]} + scores_.offset[c0 + j] < row.least) continue;  // a NaN may be any
      candidates.push_back(c0 + j);
    }
    if (candidates.empty()) return;
    std::vector<double> h(dim_);
    convert(batch_.type, features(row.row_in_batch, dim_ * dtype_size(batch_.type)), dim_,
            h.data());
    if (center_ != nullptr) {
      for (size_t l = 0; l < dim_; ++l) h[l] -= center_[l];
    }
    for (size_t first = 0; first < candidates.size(); first += kExactClasses) {
      const size_t count = std::min(kExactClasses, candidates.size() - first);
      const double* rows[kExactClasses];
      double sums[kExactClasses];
      // A short group scores its last class more than once.
      for (size_t k = 0; k < kExactClasses; ++k) {
        rows[k] = scores_.rows.row(candidates[first + std::min(k, count - 1)]);
      }
      if (scores_.points) {
        exact_distances(rows, h.data(), dim_, sums);
      } else {
        exact_dots(rows, h.data(), dim_, sums);
      }
      for (size_t k = 0; k < count; ++k) {
        const size_t place = candidates[first + k];
        const double score = scores_.points ? -sums[k] : sums[k] + scores_.offset[place];
        if (score > row.best) {  // not where it is NaN
          row.best = score;
          row.place = place;
        }
      }
    }
  }

  const Batch& batch_;
  const AffineScores& scores_;
  ThreadPool& pool_;
  size_t dim_;
  const double* center_;
  size_t block_rows_;
  size_t tile_classes_;
  std::vector<T> rows_;  // [block_rows, d] h - center
  std::vector<double> norms_;
  std::vector<TopTwo> tops_;
  std::vector<T> classes_;  // [tile_classes, d] a_c
  std::vector<double> class_norms_;
  std::vector<T> dots_;  // [rows, classes]
  std::vector<Unclear> unclear_;
  double largest_norm_ = 0;
  double largest_offset_ = 0;
};

}  // namespace

std::vector<int32_t> CpuDevice::do_argmax_affine(const Batch& batch, const AffineScores& scores) {
  if (compute_type(batch.type) == DType::kFloat64) {
    return ArgmaxSweep<double>(batch, scores, *pool_).run();
  }
  return ArgmaxSweep<float>(batch, scores, *pool_).run();
}

}  // namespace ncscope
