// Device over OpenBLAS and LAPACK, with threads of its own for what BLAS has no routine for.
#pragma once

#include <memory>

#include "kernels/cpu/thread_pool.h"
#include "kernels/device.h"

namespace ncscope {

// Results do not depend on the number of threads of `pool`: work is cut into pieces of fixed size
// and their results are put together in a fixed order.
class CpuDevice final : public Device {
 public:
  explicit CpuDevice(std::shared_ptr<ThreadPool> pool = ThreadPool::shared(),
                     Math math = Math::kExact);

  DeviceInfo info() const override;

 private:
  DeviceBuffer do_allocate(size_t bytes) override;
  void do_copy_to_device(void* device, const void* host, size_t bytes) override;
  void do_copy_to_host(void* host, const void* device, size_t bytes) override;
  void do_zero(void* device, size_t bytes) override;
  void do_accumulate(const Batch& batch, ClassSums& sums) override;
  void do_flush(ClassSums& sums) override;
  void do_await(ClassSums&) override {}  // calls are done when they return
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

  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace ncscope
