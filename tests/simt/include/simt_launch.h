// Launching a kernel with the toolkit's C++ signature.
#pragma once

#include <cstddef>
#include <new>
#include <tuple>
#include <utility>

#include "simt_host.h"

typedef struct cudaLaunchAttribute_st {
  int id;
} cudaLaunchAttribute;

typedef struct cudaLaunchConfig_st {
  dim3 gridDim;
  dim3 blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
} cudaLaunchConfig_t;

namespace ncscope::simt::device {

// A launch, type erased: the runtime owns `arguments` and calls run(arguments) once per thread.
struct Launch {
  const void* kernel = nullptr;
  void (*run)(void* arguments) = nullptr;
  void (*copy)(void* to, const void* from) = nullptr;
  const void* arguments = nullptr;
  size_t bytes = 0;
};

cudaError_t launch(const cudaLaunchConfig_t* config, const Launch& launch);
// The frame of the running thread's run(): the way from the kernel to a barrier ends there.
void start_thread(const void* frame);

template <class... Exp>
struct Call {
  void (*kernel)(Exp...);
  std::tuple<Exp...> values;

  static void run(void* self) {
    start_thread(__builtin_frame_address(0));
    static_cast<Call*>(self)->call(std::index_sequence_for<Exp...>());
  }
  template <size_t... I>
  [[gnu::always_inline]] void call(std::index_sequence<I...>) {
    kernel(std::get<I>(values)...);
  }
  static void copy(void* to, const void* from) { new (to) Call(*static_cast<const Call*>(from)); }
};

}  // namespace ncscope::simt::device

template <typename... Exp, typename... Act>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Exp...),
                               Act&&... args) {
  using Call = ncscope::simt::device::Call<Exp...>;
  static_assert((std::is_trivially_copyable_v<Exp> && ...), "arguments are copied to the card");
  const Call call{kernel, std::tuple<Exp...>(std::forward<Act>(args)...)};
  ncscope::simt::device::Launch launch;
  launch.kernel = reinterpret_cast<const void*>(kernel);
  launch.run = &Call::run;
  launch.copy = &Call::copy;
  launch.arguments = &call;
  launch.bytes = sizeof(Call);
  return ncscope::simt::device::launch(config, launch);
}
