// What the algorithms of kernels/ need of a processor: one class, medium-grained primitives.
// Public methods check shapes once and then call the private hooks, so that errors are the same on
// every device; a device implements the hooks only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/batch.h"
#include "kernels/matrix.h"

namespace ncscope {

// Memory of a device; freed with the buffer. Movable.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(void* data, size_t bytes, void (*release)(void* data, size_t bytes))
      : data_(data, Release{release, bytes}) {}
  void* data() const { return data_.get(); }
  size_t bytes() const { return data_ ? data_.get_deleter().bytes : 0; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_.get());
  }

 private:
  struct Release {
    void (*release)(void* data, size_t bytes);
    size_t bytes;
    void operator()(void* data) const { release(data, bytes); }
  };
  std::unique_ptr<void, Release> data_{nullptr, Release{nullptr, 0}};
};

// A contiguous [rows, cols] float64 matrix in device memory.
class DeviceMatrix {
 public:
  DeviceMatrix() = default;
  DeviceMatrix(DeviceBuffer buffer, size_t rows, size_t cols)
      : buffer_(std::move(buffer)), rows_(rows), cols_(cols) {}
  Matrix view() const { return {buffer_.as<double>(), rows_, cols_}; }
  operator Matrix() const { return view(); }
  operator ConstMatrix() const { return view(); }
  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }

 private:
  DeviceBuffer buffer_;
  size_t rows_ = 0;
  size_t cols_ = 0;
};

// Who computes, for the report.
struct DeviceInfo {
  std::string backend;  // "cpu", "cuda"
  std::string name;     // model of the processor or card
  std::string math;     // math_name() of what it multiplies in
  std::vector<std::string> libraries;
  uint32_t parallelism = 0;  // host threads or multiprocessors
  std::string driver;        // empty where there is none
  std::string advice{};      // what would make it faster, for people; empty where nothing would
  size_t memory_bytes = 0;   // device memory that all devices of the process may take together; 0
                             // where device memory is the host's
};

// Rows that wait for one scatter update. Fixed, so that results do not depend on batch sizes.
inline constexpr size_t kTileRows = 2048;

// The state of an accumulator in device memory. T is float, or double where `compute` is float64.
struct ClassSums {
  size_t num_classes = 0;           // K
  size_t dim = 0;                   // d
  DType type = DType::kFloat32;     // of the samples
  DType compute = DType::kFloat32;  // of their products: compute_type(type, device.math())
  uint64_t samples = 0;
  size_t tile_fill = 0;          // rows of `tile` in use
  double tile_square = 0;        // largest ||h - r_y||^2 of them
  std::vector<uint64_t> counts;  // [K] n_c, host
  std::vector<uint8_t> settled;  // [K] whether r_c is known, host
  std::vector<int32_t> waiting;  // [tile_fill] label of a row that is not yet shifted, else -1;
                                 // host
  DeviceBuffer references;       // [K, d] T, r_c; rows of classes not settled are not set
  DeviceBuffer sums;             // [K, d] double, s_c = sum of h - r_c
  DeviceBuffer squares;          // [K] double, q_c = sum of ||h - r_c||^2
  DeviceBuffer column_squares;   // [d] double, the diagonal of sum (h-r_y)(h-r_y)^T
  DeviceBuffer sum_squares;      // [1] double, sum of ||h||^2
  DeviceBuffer tile;             // [kTileRows, d] T, rows not yet in `scatter`
  DeviceBuffer scatter;          // [d, d] double, upper triangle of sum (h-r_y)(h-r_y)^T
  DeviceBuffer partial;          // [d, d] float, upper triangle of one tile's products; none for
                                 // double, whose products go straight into `scatter`
  // What a device knows of work on these sums that is still under way; null where a device has
  // done its work when a call returns.
  std::shared_ptr<void> in_flight;
};

// Whether products in float32 hold a tile whose largest row has this squared norm: kTileRows of
// them sum to less than 2^128, and 2^-24 of the largest is above 2^-126. False sends the tile the
// slow way, in float64.
inline bool products_fit(double tile_square) {
  return tile_square == 0 || (tile_square > 0x1p-100 && tile_square < 0x1p115);
}

// Mean and sum of squared deviations of a stream of values; merges without cancellation.
struct Moments {
  uint64_t count = 0;
  double mean = 0;
  double m2 = 0;
  double variance() const { return count == 0 ? 0 : m2 / static_cast<double>(count); }
};

// Two classes (row indices) and the value that singles them out.
struct PairExtreme {
  size_t first = 0;  // first < second
  size_t second = 0;
  double value = 0;
};

// What pair_reduce is asked for.
struct PairInput {
  ConstMatrix rows;                          // [P, d] centred vectors x_c, device memory
  std::span<const double> squared_norms;     // [P] ||x_c||^2, host
  std::span<const double> within_variances;  // [P] v_c, host; empty: no cdnv
  // Two rows closer than this are equal: no number can tell them apart. [P], host; rows c and c'
  // are equal if ||x_c - x_c'|| <= resolution[c] + resolution[c']. Empty: 0.
  std::span<const double> resolution;
  double etf_scale = 0;  // alpha of gram_residual below
  // [P, P] <x_c, x_c'>, device memory, both triangles. Empty: computed tile by tile.
  ConstMatrix products;
};

// Sums over the P (P - 1) / 2 pairs c < c', taken in one sweep.
struct PairSums {
  uint64_t pairs = 0;
  Moments cosine;                        // of cos(x_c, x_c'), pairs with a zero vector left out
  double max_angle_sum = 0;              // sum of |cos + 1/(P-1)|, same pairs
  std::optional<PairExtreme> coherence;  // largest cosine; lowest pair on ties
  // Of D = ||u_c - u_c'||, u = x / ||x||, same pairs; of log(1/D), and of the Riesz kernel over its
  // value on a simplex, (D^2 / (2P/(P-1)))^(1 - d/2), where d > 2: pairs of one direction left out.
  Moments unit_distance;
  Moments unit_log;
  Moments unit_riesz;                  // mean and m2 are not finite where the kernel overflows
  std::optional<PairExtreme> aligned;  // first pair of one direction (unit_rows.h), and its D
  double cdnv_sum = 0;                 // of (v_c + v_c') / (2 dist^2), equal pairs left out
  double cdnv_fourth_sum = 0;          // of (v_c + v_c') / (2 dist^4)
  std::optional<PairExtreme> cdnv_worst;
  std::optional<PairExtreme> equal;  // first pair (lowest first, then second) that is equal
  double gram_residual = 0;  // sum over all (c, c'), c = c' too, of (<x_c, x_c'> - alpha E_cc')^2
  std::vector<size_t> nearest;           // [P] row with the smallest distance; lowest on ties
  std::vector<double> nearest_distance;  // [P] that distance
};

// Scores a_c . (h - center) + t_c.
struct AffineScores {
  ConstMatrix rows;                // [m, d] a_c, device memory
  std::span<const double> center;  // [d], host; empty: 0
  std::span<const double> offset;  // [m] t_c, host
  // The rows are points and t_c = -||a_c||^2 / 2, so that the largest score is the smallest
  // distance: where scores are too close, distances themselves decide.
  bool points = false;
};

// One point for each row of a batch.
struct RowPoints {
  ConstMatrix points;               // [m, d] p_c, device memory
  std::span<const double> center;   // [d], host; empty: 0
  std::span<const int32_t> places;  // [rows] the point of a row, host; -1: none
};

// Half a minute where cores multiply 2^34 pairs of float64 numbers in a second.
inline constexpr double kPairBudget = 0x1p39;

// Calls of one device take effect in order. Class sums may go from one device to another of the
// same kind between any two calls. A matrix may be read by another device once the one that wrote
// it has returned numbers to the host.
class Device {
 public:
  explicit Device(Math math = Math::kExact, double pair_budget = kPairBudget)
      : math_(math), pair_budget_(pair_budget) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  virtual DeviceInfo info() const = 0;
  Math math() const { return math_; }
  // Multiplications P^2 d / 2 from which on a report does not sweep all pairs of classes unasked.
  double pair_budget() const { return pair_budget_; }
  void set_pair_budget(double multiplications) { pair_budget_ = multiplications; }
  // Whether it has failed for good: every call throws DeviceLost, and only a new process helps.
  virtual bool lost() const { return false; }

  // Uninitialised memory; throws OutOfMemory.
  DeviceBuffer allocate(size_t bytes);
  DeviceMatrix matrix(size_t rows, size_t cols);
  // A device copy of [rows, cols] host values.
  DeviceMatrix upload(ConstMatrix host);
  // Copies between host and device; ranges are the caller's to keep in bounds.
  void copy_to_device(void* device, const void* host, size_t bytes);
  void copy_to_host(void* host, const void* device, size_t bytes);
  void download(ConstMatrix device, double* host);  // to contiguous [rows, cols]
  void zero(void* device, size_t bytes);

  // Adds the rows of `batch` with a label >= 0 to `sums`, in order, and is done with the batch when
  // it returns. Rows of a class whose r_c is known are shifted into the tile, with sums and squares
  // in float64; others wait there as they are, or all do until the tile is full. A full tile is
  // flushed. After an OutOfMemory the sums are as they were.
  void accumulate(const Batch& batch, ClassSums& sums);
  // Moves the tile, full, empty or not, into the scatter; what this device does next comes after
  // all work on the sums, whichever device did it. Before, each class with rows that wait gets
  // their mean as its r_c, rounded to T, and they are shifted. Products in T, or in float64 or
  // scaled where those of float32 would over- or underflow (see products_fit()); sums across tiles
  // in float64.
  void flush(ClassSums& sums);
  // What this device does next comes after all work on the sums, whichever device did it.
  void await(ClassSums& sums);

  // C = alpha op(A) op(B) + beta C; op is the transpose where the flag says so. beta = 0 does not
  // read C.
  void gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a, ConstMatrix b,
            double beta, Matrix c);
  // C = alpha A^T A + beta C (transpose) or alpha A A^T + beta C; of C only the upper triangle is
  // read, and both are written.
  void syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c);
  // Overwrites the lower triangle of a symmetric A by L with A = L L^T; the upper one is undefined
  // afterwards. False if A is not positive definite (A is then undefined).
  bool cholesky(Matrix a);
  // Solves L L^T X = B in place of B, with L of cholesky().
  void cholesky_solve(ConstMatrix factor, Matrix b);
  // Eigenvalues, ascending, of a symmetric A; its rows become the orthonormal eigenvectors. Throws
  // NumericalError where the iteration does not converge, or the order is beyond the library's.
  std::vector<double> eigh(Matrix a);
  // The eigenvalues alone, which is several times faster; A is undefined afterwards.
  std::vector<double> eigenvalues(Matrix a);
  // out[r] = <a_r, b_r>, host result.
  std::vector<double> row_dots(ConstMatrix a, ConstMatrix b);
  // Row r of A times factors[r] (host).
  void scale_rows(Matrix a, std::span<const double> factors);
  // Subtracts `v` [cols] (host) from every row of A.
  void subtract_row(Matrix a, std::span<const double> v);

  // All pair metrics of the rows in one tiled sweep of the upper triangle; memory O(P + tile^2).
  // Throws InvalidArgument for P < 2.
  PairSums pair_reduce(const PairInput& input);
  // Sum over (c, c') of (<a_c, b_c'> - alpha E_cc')^2 with E = (I - 11^T/P)/sqrt(P-1), tile by
  // tile; a and b are [P, d].
  double gram_residual(ConstMatrix a, ConstMatrix b, double alpha);
  // For each row h of the batch the c with the largest score; ties go to the lowest c. Dropped rows
  // too. Decisions are those of float64 arithmetic in the order of the columns, of sums of
  // (a_cj - h_j)^2 for points, whatever the device: a faster pass may only decide rows whose margin
  // exceeds its own rounding error.
  std::vector<int32_t> argmax_affine(const Batch& batch, const AffineScores& scores);
  // ||(h_i - center) - p|| of each row and its point, differences and sum in float64; infinite for
  // rows without one.
  std::vector<double> point_distances(const Batch& batch, const RowPoints& points);

 private:
  virtual DeviceBuffer do_allocate(size_t bytes) = 0;
  virtual void do_copy_to_device(void* device, const void* host, size_t bytes) = 0;
  virtual void do_copy_to_host(void* host, const void* device, size_t bytes) = 0;
  virtual void do_zero(void* device, size_t bytes) = 0;
  virtual void do_accumulate(const Batch& batch, ClassSums& sums) = 0;
  virtual void do_flush(ClassSums& sums) = 0;
  virtual void do_await(ClassSums& sums) = 0;
  virtual void do_gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a,
                       ConstMatrix b, double beta, Matrix c) = 0;
  virtual void do_syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) = 0;
  virtual bool do_cholesky(Matrix a) = 0;
  virtual void do_cholesky_solve(ConstMatrix factor, Matrix b) = 0;
  virtual std::vector<double> do_eigh(Matrix a, bool with_vectors) = 0;
  virtual std::vector<double> do_row_dots(ConstMatrix a, ConstMatrix b) = 0;
  virtual void do_scale_rows(Matrix a, std::span<const double> factors) = 0;
  virtual void do_subtract_row(Matrix a, std::span<const double> v) = 0;
  virtual PairSums do_pair_reduce(const PairInput& input) = 0;
  virtual double do_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) = 0;
  virtual std::vector<int32_t> do_argmax_affine(const Batch& batch, const AffineScores& scores) = 0;
  virtual std::vector<double> do_point_distances(const Batch& batch, const RowPoints& points) = 0;

  const Math math_;
  double pair_budget_;
};

}  // namespace ncscope
