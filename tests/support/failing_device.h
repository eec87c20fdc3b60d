// A device whose memory runs out when a test says so.
#pragma once

#include <memory>
#include <utility>

#include "kernels/device.h"
#include "kernels/errors.h"

namespace ncscope::test {

// How many more allocations succeed; shared by the devices of a pool, used by one thread.
struct AllocationLimit {
  long left = -1;  // below 0: no limit
};

// Everything is done by another device, but allocations beyond the limit throw OutOfMemory.
class FailingDevice final : public Device {
 public:
  FailingDevice(std::unique_ptr<Device> device, AllocationLimit& limit)
      : device_(std::move(device)), limit_(limit) {}

  DeviceInfo info() const override { return device_->info(); }

 private:
  DeviceBuffer do_allocate(size_t bytes) override {
    if (limit_.left == 0) throw OutOfMemory("allocate: no more, says the test");
    if (limit_.left > 0) --limit_.left;
    return device_->allocate(bytes);
  }
  void do_copy_to_device(void* device, const void* host, size_t bytes) override {
    device_->copy_to_device(device, host, bytes);
  }
  void do_copy_to_host(void* host, const void* device, size_t bytes) override {
    device_->copy_to_host(host, device, bytes);
  }
  void do_zero(void* device, size_t bytes) override { device_->zero(device, bytes); }
  void do_accumulate(const Batch& batch, ClassSums& sums) override {
    device_->accumulate(batch, sums);
  }
  void do_flush(ClassSums& sums) override { device_->flush(sums); }
  void do_gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a, ConstMatrix b,
               double beta, Matrix c) override {
    device_->gemm(transpose_a, transpose_b, alpha, a, b, beta, c);
  }
  void do_syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) override {
    device_->syrk(transpose, alpha, a, beta, c);
  }
  bool do_cholesky(Matrix a) override { return device_->cholesky(a); }
  void do_cholesky_solve(ConstMatrix factor, Matrix b) override {
    device_->cholesky_solve(factor, b);
  }
  std::vector<double> do_eigh(Matrix a) override { return device_->eigh(a); }
  std::vector<double> do_row_dots(ConstMatrix a, ConstMatrix b) override {
    return device_->row_dots(a, b);
  }
  void do_scale_rows(Matrix a, std::span<const double> factors) override {
    device_->scale_rows(a, factors);
  }
  void do_subtract_row(Matrix a, std::span<const double> v) override {
    device_->subtract_row(a, v);
  }
  PairSums do_pair_reduce(const PairInput& input) override { return device_->pair_reduce(input); }
  double do_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) override {
    return device_->gram_residual(a, b, alpha);
  }
  std::vector<int32_t> do_argmax_affine(const Batch& batch, const AffineScores& scores) override {
    return device_->argmax_affine(batch, scores);
  }

  std::unique_ptr<Device> device_;
  AllocationLimit& limit_;
};

}  // namespace ncscope::test
