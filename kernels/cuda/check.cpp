#include "kernels/cuda/check.h"

#include <atomic>
#include <string>

#include "kernels/errors.h"

namespace ncscope::cuda {
namespace {

std::atomic<bool> lost{false};

std::string text_of(cudaError_t status) {
  return std::string(cudaGetErrorName(status)) + " (" + std::to_string(static_cast<int>(status)) +
         "), " + cudaGetErrorString(status);
}

// Only the name of the function, of the text of a call.
std::string function_of(const char* call) {
  const std::string text(call);
  return text.substr(0, text.find('('));
}

// An error of the card's context stays whatever is called next, and libraries may take it for want
// of memory; an error of one call does not stay.
[[noreturn]] void fail(const std::string& text, bool out_of_memory) {
  cudaGetLastError();
  const cudaError_t left = cudaDeviceSynchronize();
  if (left != cudaSuccess) {
    lost = true;
    throw DeviceLost(text + "; the card can be used no more by this process: " + text_of(left));
  }
  if (out_of_memory) throw OutOfMemory(text);
  throw DeviceError(text);
}

}  // namespace

bool card_lost() { return lost; }

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  fail(function_of(call) + ": " + text_of(status), status == cudaErrorMemoryAllocation);
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(
      function_of(call) + ": " + cublasGetStatusName(status) + ", " + cublasGetStatusString(status),
      status == CUBLAS_STATUS_ALLOC_FAILED);
}

void check(cusolverStatus_t status, const char* call) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  fail(function_of(call) + ": cuSOLVER status " + std::to_string(static_cast<int>(status)),
       status == CUSOLVER_STATUS_ALLOC_FAILED);
}

}  // namespace ncscope::cuda
