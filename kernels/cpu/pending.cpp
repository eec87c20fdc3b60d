// Reductions that follow in the next commits.
#include "kernels/cpu/cpu_device.h"
#include "kernels/errors.h"

namespace ncscope {

std::vector<int32_t> CpuDevice::do_argmax_affine(const Batch&, const AffineScores&) {
  throw DeviceError("argmax_affine: not built yet");
}

}  // namespace ncscope
