// From element types at run time to kernels of one type.
#pragma once

#include "kernels/cuda/pack.cuh"
#include "kernels/dtype.h"

namespace ncscope::cuda {

template <class T>
struct Type {
  using type = T;
};

// Calls body(Type<Wire>(), Type<T>()) for samples of `type` that are computed in `compute`.
template <class Body>
void with_types(DType type, DType compute, const Body& body) {
  const auto with_wire = [&](auto wire) {
    if (compute == DType::kFloat64) {
      body(wire, Type<double>());
    } else {
      body(wire, Type<float>());
    }
  };
  switch (type) {
    case DType::kFloat32:
      return with_wire(Type<Float32Wire>());
    case DType::kFloat16:
      return with_wire(Type<Float16Wire>());
    case DType::kBFloat16:
      return with_wire(Type<BFloat16Wire>());
    case DType::kFloat64:
      return body(Type<Float64Wire>(), Type<double>());
  }
}

}  // namespace ncscope::cuda
