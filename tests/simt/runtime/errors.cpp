// Names and texts of errors, and who the card is.
#include <cstring>

#include "cuda_runtime.h"
#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/memory.h"

using namespace ncscope::simt;

const char* cudaGetErrorName(cudaError_t error) {
#define SIMT_NAME(name) \
  case name:            \
    return #name
  switch (error) {
    SIMT_NAME(cudaSuccess);
    SIMT_NAME(cudaErrorInvalidValue);
    SIMT_NAME(cudaErrorMemoryAllocation);
    SIMT_NAME(cudaErrorInitializationError);
    SIMT_NAME(cudaErrorInvalidConfiguration);
    SIMT_NAME(cudaErrorInvalidPitchValue);
    SIMT_NAME(cudaErrorInvalidHostPointer);
    SIMT_NAME(cudaErrorInvalidDevicePointer);
    SIMT_NAME(cudaErrorInvalidMemcpyDirection);
    SIMT_NAME(cudaErrorInsufficientDriver);
    SIMT_NAME(cudaErrorDevicesUnavailable);
    SIMT_NAME(cudaErrorInvalidDeviceFunction);
    SIMT_NAME(cudaErrorNoDevice);
    SIMT_NAME(cudaErrorInvalidDevice);
    SIMT_NAME(cudaErrorInvalidKernelImage);
    SIMT_NAME(cudaErrorNoKernelImageForDevice);
    SIMT_NAME(cudaErrorECCUncorrectable);
    SIMT_NAME(cudaErrorUnsupportedPtxVersion);
    SIMT_NAME(cudaErrorInvalidResourceHandle);
    SIMT_NAME(cudaErrorNotReady);
    SIMT_NAME(cudaErrorIllegalAddress);
    SIMT_NAME(cudaErrorLaunchOutOfResources);
    SIMT_NAME(cudaErrorLaunchTimeout);
    SIMT_NAME(cudaErrorAssert);
    SIMT_NAME(cudaErrorHardwareStackError);
    SIMT_NAME(cudaErrorIllegalInstruction);
    SIMT_NAME(cudaErrorMisalignedAddress);
    SIMT_NAME(cudaErrorLaunchFailure);
    SIMT_NAME(cudaErrorNotPermitted);
    SIMT_NAME(cudaErrorNotSupported);
    SIMT_NAME(cudaErrorSystemDriverMismatch);
    SIMT_NAME(cudaErrorUnknown);
  }
#undef SIMT_NAME
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorMisalignedAddress:
      return "misaligned address";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return cudaGetErrorName(error);
  }
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error() = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const Lock lock(card().mutex);
  return card().sticky != cudaSuccess ? card().sticky : last_error();
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call([&] {
    if (count == nullptr) return cudaErrorInvalidValue;
    *count = card().devices;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&] {
    const bool valid = device >= 0 && device < card().devices;
    return valid ? cudaSuccess : cudaErrorInvalidDevice;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&] {
    if (device == nullptr) return cudaErrorInvalidValue;
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call([&] {
    if (properties == nullptr) return cudaErrorInvalidValue;
    if (device < 0 || device >= card().devices) return cudaErrorInvalidDevice;
    *properties = {};
    std::strcpy(properties->name, "SIMT host");
    properties->totalGlobalMem = card().memory_bytes;
    properties->sharedMemPerBlock = 49152;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
    properties->maxThreadsDim[2] = 64;
    properties->maxGridSize[0] = 0x7fffffff;
    properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
    properties->major = 9;
    properties->multiProcessorCount = 4;
    properties->l2CacheSize = 1 << 20;
    return cudaSuccess;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (version == nullptr) return remember(cudaErrorInvalidValue);
  // A machine without a driver says 0, not an error.
  *version = card().devices == 0 ? 0 : CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return remember(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}
