// CpuDevice: memory. "Device memory" is host memory, aligned for vector loads.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "kernels/cpu/cpu_device.h"
#include "kernels/errors.h"

namespace ncscope {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

DeviceBuffer CpuDevice::do_allocate(size_t bytes) {
  // Linux promises more than it has, and ends a process that takes it at its word.
  const auto installed =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (bytes > installed) {
    throw OutOfMemory("allocate: expected at most the machine's " + std::to_string(installed) +
                      " bytes of memory, got " + std::to_string(bytes));
  }
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kCacheLine;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes) != 0) {
    throw OutOfMemory("allocate: no " + std::to_string(bytes) + " bytes of memory left");
  }
  // Class sums are read in the order of the labels; large pages keep that from missing the TLB.
  if (alignment == kHugePage) madvise(data, bytes, MADV_HUGEPAGE);
  return {data, bytes, [](void* p, size_t) { std::free(p); }};
}

void CpuDevice::do_copy_to_device(void* device, const void* host, size_t bytes) {
  std::memcpy(device, host, bytes);
}

void CpuDevice::do_copy_to_host(void* host, const void* device, size_t bytes) {
  std::memcpy(host, device, bytes);
}

void CpuDevice::do_zero(void* device, size_t bytes) { std::memset(device, 0, bytes); }

}  // namespace ncscope
