// Elements on the wire, and groups of them that one instruction moves.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace ncscope::cuda {

// V neighbours, moved as one where their bytes allow: at most 16.
template <class T, int V>
struct alignas(sizeof(T) * V > 16 ? 16 : sizeof(T) * V) Pack {
  T value[V];
};

// Stores by the widest instructions there are. nvcc takes four floats apart, whatever they are in.
__device__ inline void store(float* to, const Pack<float, 4>& x) {
#ifdef __CUDA_ARCH__
  asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(x.value[0]),
               "f"(x.value[1]), "f"(x.value[2]), "f"(x.value[3])
               : "memory");
#else
  *reinterpret_cast<Pack<float, 4>*>(to) = x;
#endif
}
__device__ inline void store(double* to, const Pack<double, 2>& x) {
  *reinterpret_cast<double2*>(to) = make_double2(x.value[0], x.value[1]);
}
__device__ inline void store(double* to, const Pack<double, 4>& x) {
  *reinterpret_cast<double2*>(to) = make_double2(x.value[0], x.value[1]);
  *reinterpret_cast<double2*>(to + 2) = make_double2(x.value[2], x.value[3]);
}
template <class T>
__device__ inline void store(T* to, const Pack<T, 1>& x) {
  *to = x.value[0];
}

// Each names its element, how many of them make a pack, and their value, which float64 holds
// exactly. Values are finite: admission has seen to that.
struct Float32Wire {
  using Element = float;
  static constexpr int kPack = 4;
  static __device__ double value(Element x) { return x; }
};

struct Float64Wire {
  using Element = double;
  static constexpr int kPack = 2;
  static __device__ double value(Element x) { return x; }
};

struct BFloat16Wire {
  using Element = uint16_t;
  static constexpr int kPack = 4;
  static __device__ double value(Element bits) {
    return __uint_as_float(static_cast<uint32_t>(bits) << 16);
  }
};

// Exponent and mantissa moved into a binary32's place, then scaled by the difference of the
// exponent biases; exact for subnormals too.
struct Float16Wire {
  using Element = uint16_t;
  static constexpr int kPack = 4;
  static __device__ double value(Element bits) {
    const float magnitude = __uint_as_float((bits & 0x7fffu) << 13) * 0x1p112f;
    return __uint_as_float(__float_as_uint(magnitude) | ((bits & 0x8000u) << 16));
  }
};

}  // namespace ncscope::cuda
