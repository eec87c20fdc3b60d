// One pass over the samples, shifted per class so that nothing cancels (METRICS.md section 3.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "kernels/admission.h"
#include "kernels/batch.h"
#include "kernels/device.h"
#include "kernels/statistics.h"

namespace ncscope {

// Collects samples into Statistics. For class c, r_c is the mean of its samples among the first
// kTileRows ones that hold any; sums run over h - r_c, which is (nearly) exact once classes have
// collapsed. The result does not depend on how the samples were cut into batches: it is the same to
// the bit.
class Accumulator {
 public:
  // Allocates the state on the device: about K d (8 + w) + 8 d^2 + w kTileRows d bytes, w = 4, or 8
  // for float64 input or math, and 4 d^2 more where w = 4. Throws OutOfMemory, InvalidArgument for
  // K or d of 0.
  Accumulator(Device& device, size_t num_classes, size_t dim, DType type);

  // Adds the rows of a batch whose label is not kDroppedRow. `device` is any of the same kind and
  // math as the constructor's. Throws InvalidArgument if dim or type differ.
  void add(Device& device, const Batch& batch);

  // Counts rows that admission dropped.
  void add_dropped(const Dropped& dropped);

  // The canonical state of everything added; the accumulator may not be used afterwards. Takes 8
  // d^2 bytes more while it works. After an OutOfMemory it is as it was, and finish() may be tried
  // again.
  Statistics finish(Device& device);

  uint64_t samples() const { return sums_.samples; }

  // Everything that it holds, to the bit: what load() goes on from. In pieces, image_bytes() in
  // all: about P d (8 + w) + 8 d^2 + 17 K, and w d for each of up to kTileRows rows, P being the
  // classes that have come. `with_device` lends a device as in add(), for each piece anew; none is
  // lent while a piece is handed over.
  using WithDevice = std::function<void(const std::function<void(Device&)>&)>;
  using Sink = std::function<void(std::span<const std::byte>)>;
  size_t image_bytes() const;
  void save(const WithDevice& with_device, const Sink& sink);
  // Takes up an image of `bytes` in place of what it holds, which was nothing; `read` gives the
  // next ones. Throws InvalidArgument where that is of another shape, type, math or kind of device,
  // DataLoss where it is none.
  using Source = std::function<void(void* out, size_t bytes)>;
  void load(Device& device, uint64_t bytes, const Source& read);

  // Device bytes that a state of this shape takes.
  static size_t bytes_needed(size_t num_classes, size_t dim, DType type, Math math = Math::kExact);

 private:
  ClassSums sums_;
  Dropped dropped_;
};

}  // namespace ncscope
