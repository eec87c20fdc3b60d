// Reductions that follow in the next commits.
#include "kernels/cpu/cpu_device.h"
#include "kernels/errors.h"

namespace ncscope {

PairSums CpuDevice::do_pair_reduce(const PairInput&) {
  throw DeviceError("pair_reduce: not built yet");
}
double CpuDevice::do_gram_residual(ConstMatrix, ConstMatrix, double) {
  throw DeviceError("gram_residual: not built yet");
}
std::vector<int32_t> CpuDevice::do_argmax_affine(const Batch&, const AffineScores&) {
  throw DeviceError("argmax_affine: not built yet");
}

}  // namespace ncscope
