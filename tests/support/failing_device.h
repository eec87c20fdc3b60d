// A device that fails when a test says so.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "kernels/device.h"
#include "kernels/errors.h"

namespace ncscope::test {

// How many more allocations succeed; shared by the devices of a pool, used by one thread.
struct AllocationLimit {
  long left = -1;  // below 0: no limit
};

// A card that is lost after so many more operations, or on which adding samples fails; shared by
// the devices of a pool and threads.
struct FakeCard {
  size_t memory_bytes = 0;
  std::atomic<bool> accumulating_fails{false};
  std::atomic<long> operations_left{-1};  // below 0: never lost

  void operate() {
    long left = operations_left;
    while (left > 0 && !operations_left.compare_exchange_weak(left, left - 1)) {
    }
    if (left == 0) throw DeviceLost("the card fell off the bus, says the test");
  }
};

// Everything is done by another device, but allocations beyond the limit throw OutOfMemory, and
// operations on a card that is lost DeviceLost.
class FailingDevice final : public Device {
 public:
  FailingDevice(std::unique_ptr<Device> device, AllocationLimit& limit, FakeCard* card = nullptr)
      : Device(device->math(), device->pair_budget()),
        device_(std::move(device)),
        limit_(limit),
        card_(card) {}

  DeviceInfo info() const override {
    DeviceInfo info = device_->info();
    if (card_ != nullptr) info.memory_bytes = card_->memory_bytes;
    return info;
  }
  bool lost() const override { return card_ != nullptr && card_->operations_left == 0; }

 private:
  // The device that does the next operation.
  Device& device() {
    if (card_ != nullptr) card_->operate();
    return *device_;
  }

  DeviceBuffer do_allocate(size_t bytes) override {
    if (limit_.left == 0) throw OutOfMemory("allocate: no more, says the test");
    if (limit_.left > 0) --limit_.left;
    return device().allocate(bytes);
  }
  void do_copy_to_device(void* to, const void* host, size_t bytes) override {
    device().copy_to_device(to, host, bytes);
  }
  void do_copy_to_host(void* host, const void* from, size_t bytes) override {
    device().copy_to_host(host, from, bytes);
  }
  void do_zero(void* data, size_t bytes) override { device().zero(data, bytes); }
  void do_accumulate(const Batch& batch, ClassSums& sums) override {
    if (card_ != nullptr && card_->accumulating_fails) {
      throw DeviceError("a launch failed, says the test");
    }
    device().accumulate(batch, sums);
  }
  void do_flush(ClassSums& sums) override { device().flush(sums); }
  void do_await(ClassSums& sums) override { device().await(sums); }
  void do_gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a, ConstMatrix b,
               double beta, Matrix c) override {
    device().gemm(transpose_a, transpose_b, alpha, a, b, beta, c);
  }
  void do_syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) override {
    device().syrk(transpose, alpha, a, beta, c);
  }
  bool do_cholesky(Matrix a) override { return device().cholesky(a); }
  void do_cholesky_solve(ConstMatrix factor, Matrix b) override {
    device().cholesky_solve(factor, b);
  }
  std::vector<double> do_eigh(Matrix a, bool with_vectors) override {
    return with_vectors ? device().eigh(a) : device().eigenvalues(a);
  }
  std::vector<double> do_row_dots(ConstMatrix a, ConstMatrix b) override {
    return device().row_dots(a, b);
  }
  void do_scale_rows(Matrix a, std::span<const double> factors) override {
    device().scale_rows(a, factors);
  }
  void do_subtract_row(Matrix a, std::span<const double> v) override {
    device().subtract_row(a, v);
  }
  PairSums do_pair_reduce(const PairInput& input) override { return device().pair_reduce(input); }
  double do_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) override {
    return device().gram_residual(a, b, alpha);
  }
  std::vector<double> do_point_distances(const Batch& batch, const RowPoints& points) override {
    return device().point_distances(batch, points);
  }
  std::vector<int32_t> do_argmax_affine(const Batch& batch, const AffineScores& scores) override {
    return device().argmax_affine(batch, scores);
  }

  std::unique_ptr<Device> device_;
  AllocationLimit& limit_;
  FakeCard* card_;
};

}  // namespace ncscope::test
