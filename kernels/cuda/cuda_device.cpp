#include "kernels/cuda/cuda_device.h"

#include "kernels/cuda/matrix_kernels.h"

namespace ncscope::cuda {
namespace {

// What cuBLAS is recommended to get on the newest cards. Given by us, so that results do not depend
// on what other streams do.
constexpr size_t kBlasWorkspaceBytes = size_t{32} << 20;

// A second of a data centre's card, half a minute of one with few float64 units.
constexpr double kCardPairBudget = 0x1p43;

std::string cublas_text(cublasHandle_t handle) {
  int version = 0;
  NCSCOPE_CUDA_TRY(cublasGetVersion(handle, &version));
  return "cuBLAS " + std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) +
         "." + std::to_string(version % 100);
}

std::string cusolver_text() {
  std::string text = "cuSOLVER ";
  for (const libraryPropertyType part : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL}) {
    int value = 0;
    NCSCOPE_CUDA_TRY(cusolverGetProperty(part, &value));
    text += (part == MAJOR_VERSION ? "" : ".") + std::to_string(value);
  }
  return text;
}

std::string runtime_text() {
  int version = 0;
  NCSCOPE_CUDA_TRY(cudaRuntimeGetVersion(&version));
  return "CUDA runtime " + std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

}  // namespace

CudaDevice::CudaDevice(Card& card, Math math, const Tuning& tuning)
    : Device(math, kCardPairBudget),
      card_(card),
      memory_(card),
      tuning_(tuning),
      stream_(make_stream()),
      cublas_(make_cublas()),
      cusolver_(make_cusolver()),
      cusolver_params_(make_cusolver_params()),
      blas_workspace_(card.allocate(kBlasWorkspaceBytes)),
      staging_(card, tuning.staging_slots, tuning.staging_bytes),
      tile_(memory_) {
  for (GrowingBuffer* buffer : {&solver_workspace_, &pair_workspace_, &score_workspace_}) {
    memory_.may_release(*buffer);
  }
  NCSCOPE_CUDA_TRY(cublasSetStream(cublas_.get(), stream_.get()));
  NCSCOPE_CUDA_TRY(
      cublasSetWorkspace(cublas_.get(), blas_workspace_.data(), blas_workspace_.bytes()));
  NCSCOPE_CUDA_TRY(cusolverDnSetStream(cusolver_.get(), stream_.get()));
  // Whether this build has kernels for this card shows when one is run.
  scale(stream_.get(), 0, {vectors_.get<double>(memory_, 1), 1, 1});
  synchronize();
}

CudaDevice::~CudaDevice() { cudaStreamSynchronize(stream_.get()); }

DeviceInfo CudaDevice::info() const {
  DeviceInfo info;
  info.backend = "cuda";
  info.name = card_.name();
  info.math = math_name(math());
  info.libraries = {runtime_text(), cublas_text(cublas_.get()), cusolver_text()};
  info.parallelism = card_.multiprocessors();
  info.driver = "serves CUDA " + card_.driver();
  info.memory_bytes = card_.memory_bytes();
  return info;
}

bool CudaDevice::lost() const { return card_lost(); }

DeviceBuffer CudaDevice::do_allocate(size_t bytes) { return memory_.allocate(bytes); }

void CudaDevice::do_copy_to_device(void* device, const void* host, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_.get()));
  synchronize();
}

void CudaDevice::do_copy_to_host(void* host, const void* device, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_.get()));
  synchronize();
}

void CudaDevice::do_zero(void* device, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaMemsetAsync(device, 0, bytes, stream_.get()));
  synchronize();
}

void CudaDevice::synchronize() { NCSCOPE_CUDA_TRY(cudaStreamSynchronize(stream_.get())); }

}  // namespace ncscope::cuda
