// Device on an NVIDIA card: cuBLAS and cuSOLVER for dense linear algebra, our kernels for the rest.
#pragma once

#include "kernels/cuda/card.h"
#include "kernels/cuda/growing_buffer.h"
#include "kernels/cuda/handles.h"
#include "kernels/cuda/staging.h"
#include "kernels/cuda/tile_work.h"
#include "kernels/device.h"

namespace ncscope::cuda {

// Sizes that decide how fast, not what is computed.
struct Tuning {
  size_t staging_slots = 4;
  size_t staging_bytes = size_t{16} << 20;  // of a slot
  size_t pair_rows = 2048;                  // of a panel of products
  size_t pair_cols = 2048;
  size_t score_rows = 8192;  // samples that meet score_classes classes at a time
  size_t score_classes = 2048;
  size_t unclear_rows = 1024;  // samples that are decided in float64 at a time
};

// Work of a device goes to one stream in order; only samples are copied on another. Two devices
// share nothing but the card, and class sums, which carry an event from one to the next.
class CudaDevice final : public Device {
 public:
  // Throws BackendUnavailable, OutOfMemory.
  explicit CudaDevice(Card& card, Math math = Math::kExact, const Tuning& tuning = {});
  ~CudaDevice() override;

  DeviceInfo info() const override;
  bool lost() const override;

 private:
  DeviceBuffer do_allocate(size_t bytes) override;
  void do_copy_to_device(void* device, const void* host, size_t bytes) override;
  void do_copy_to_host(void* host, const void* device, size_t bytes) override;
  void do_zero(void* device, size_t bytes) override;
  void do_accumulate(const Batch& batch, ClassSums& sums) override;
  void do_flush(ClassSums& sums) override;
  void do_await(ClassSums& sums) override;
  void do_gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a, ConstMatrix b,
               double beta, Matrix c) override;
  void do_syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) override;
  bool do_cholesky(Matrix a) override;
  void do_cholesky_solve(ConstMatrix factor, Matrix b) override;
  std::vector<double> do_eigh(Matrix a, bool with_vectors) override;
  std::vector<double> do_row_dots(ConstMatrix a, ConstMatrix b) override;
  void do_scale_rows(Matrix a, std::span<const double> factors) override;
  void do_subtract_row(Matrix a, std::span<const double> v) override;
  PairSums do_pair_reduce(const PairInput& input) override;
  double do_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) override;
  std::vector<int32_t> do_argmax_affine(const Batch& batch, const AffineScores& scores) override;
  std::vector<double> do_point_distances(const Batch& batch, const RowPoints& points) override;

  class SumsInUse;
  class PairSweep;
  template <class T>
  class ScoreSweep;

  void take_rows(const StagedRows& staged, const Batch& batch, ClassSums& sums);
  // Takes the tile: rows that wait in sums.tile, then `other_rows`.
  void process_tile(ClassSums& sums, size_t waiting, const void* other_rows);
  void add_products(ClassSums& sums, const ShiftTile& tile);

  // Products [a.rows, b.rows] = A B^T into contiguous memory.
  void products(ConstMatrix a, ConstMatrix b, double* out);
  void synchronize();
  // Runs `work`; where that throws, waits until nothing is under way before it goes on, since
  // buffers of the caller and slots of ours may still be read.
  template <class Work>
  void finish_or_wait(const Work& work) {
    try {
      work();
    } catch (...) {
      staging_.wait_quietly();
      cudaStreamSynchronize(stream_.get());
      throw;
    }
  }

  Card& card_;
  DeviceMemory memory_;
  Tuning tuning_;
  Stream stream_;
  Cublas cublas_;
  Cusolver cusolver_;
  CusolverParams cusolver_params_;
  DeviceBuffer blas_workspace_;
  StagingRing staging_;
  TilePlanner planner_;
  TileWork tile_;
  GrowingBuffer vectors_;  // of scale_rows, subtract_row, row_dots
  GrowingBuffer solver_workspace_;
  std::vector<std::byte> solver_host_workspace_;
  GrowingBuffer pair_workspace_;
  GrowingBuffer score_workspace_;
};

}  // namespace ncscope::cuda
