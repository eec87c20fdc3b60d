#include "kernels/cuda/card.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "kernels/cuda/check.h"
#include "kernels/errors.h"

namespace ncscope::cuda {
namespace {

// "13.0" of 13000.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The oldest architecture that the kernels are made for, and that CUDA 13 knows.
constexpr int kOldestMajor = 7;
constexpr int kOldestMinor = 5;

// Settings by which cuBLAS computes in less than it is asked for, whatever its math mode.
void refuse_inexact_settings() {
  for (const char* name : {"NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION",
                           "CUBLAS_EMULATE_DOUBLE_PRECISION"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0' || std::string_view(value) == "0") continue;
    throw BackendUnavailable("cuda would not compute exactly: expected the environment variable " +
                             std::string(name) + " to be unset or 0, got \"" + value + "\"");
  }
}

cudaDeviceProp usable_card() {
  refuse_inexact_settings();
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    throw BackendUnavailable("cuda has no usable card: " + std::string(cudaGetErrorString(status)) +
                             " (error " + std::to_string(static_cast<int>(status)) + ")");
  }
  if (count == 0) throw BackendUnavailable("cuda has no usable card: none is visible");
  cudaDeviceProp properties = {};
  NCSCOPE_CUDA_TRY(cudaGetDeviceProperties(&properties, 0));
  const bool too_old = properties.major < kOldestMajor ||
                       (properties.major == kOldestMajor && properties.minor < kOldestMinor);
  if (too_old) {
    throw BackendUnavailable("cuda has no usable card: expected compute capability 7.5 or newer, " +
                             std::string(properties.name) + " has " +
                             std::to_string(properties.major) + "." +
                             std::to_string(properties.minor));
  }
  return properties;
}

}  // namespace

Card& Card::get(size_t memory_bytes) {
  // Never destroyed: buffers may outlive whatever is static.
  static Card* const card = new Card(memory_bytes);
  return *card;
}

Card::Card(size_t memory_bytes) {
  const cudaDeviceProp properties = usable_card();
  name_ = properties.name;
  multiprocessors_ = static_cast<uint32_t>(properties.multiProcessorCount);
  int version = 0;
  NCSCOPE_CUDA_TRY(cudaDriverGetVersion(&version));
  driver_ = version_text(version);
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  NCSCOPE_CUDA_TRY(cudaMemGetInfo(&free_bytes, &total_bytes));
  limit_ = memory_bytes > 0 ? memory_bytes : free_bytes / 10 * 9;
}

DeviceBuffer Card::allocate(size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (bytes > limit_ - used_) {
      throw OutOfMemory("allocate: " + std::to_string(bytes) + " bytes do not fit, " +
                        std::to_string(used_) + " of the " + std::to_string(limit_) +
                        " bytes of device memory are in use");
    }
    used_ += bytes;
    peak_ = std::max(peak_, used_);
  }
  void* data = nullptr;
  try {
    NCSCOPE_CUDA_TRY(cudaMalloc(&data, bytes));
  } catch (...) {
    give_back(bytes);
    throw;
  }
  // Waits for work that uses it.
  return {data, bytes, [](void* memory, size_t size) {
            cudaFree(memory);
            get().give_back(size);
          }};
}

size_t Card::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

size_t Card::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

void Card::reset_peak() {
  const std::lock_guard lock(mutex_);
  peak_ = used_;
}

void Card::give_back(size_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ -= bytes;
}

}  // namespace ncscope::cuda
