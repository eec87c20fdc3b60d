// Which devices there are, and how to get one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/device.h"

namespace ncscope {

enum class Backend { kAuto, kCpu, kCuda };

// Parses "auto", "cpu", "cuda"; throws InvalidArgument naming the choices.
Backend parse_backend(std::string_view name);

struct DeviceOptions {
  Backend backend = Backend::kAuto;
  Math math = Math::kExact;
  // What all devices of this process may take of a card's memory together; 0: nine tenths of what
  // is free when the first is made. Later ones share the limit of the first.
  size_t memory_bytes = 0;
};

// A device of its own handles and workspace, for one thread at a time. kAuto takes cuda where a
// usable card is there, else cpu. Throws BackendUnavailable, saying why.
std::unique_ptr<Device> make_device(const DeviceOptions& options);
inline std::unique_ptr<Device> make_device(Backend backend) {
  return make_device(DeviceOptions{.backend = backend});
}

// Why so many bytes of a card are no DeviceOptions::memory_bytes for so many devices: expected and
// got; empty where they are. 320 MB for each: a server gives half to the states of accumulators,
// and of the other 160 a device takes 97 for itself, a sweep over many pairs 38
// (kernels/cuda/README.md).
std::string why_not_memory(size_t bytes, size_t devices);

// Why make_device would not give a cuda device; empty where it would.
std::string why_not_cuda();

}  // namespace ncscope
