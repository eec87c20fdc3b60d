// Which devices this build has, and how to get one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.h"

namespace ncscope {

enum class Backend { kAuto, kCpu, kCuda };

// Parses "auto", "cpu", "cuda"; throws InvalidArgument naming the choices.
Backend parse_backend(std::string_view name);

// Names of the devices this build contains, such as {"cpu"}.
std::vector<std::string> built_backends();

// A device of its own handles and workspace, for one thread at a time. kAuto takes cuda where a
// usable card is there, else cpu. Throws BackendUnavailable.
std::unique_ptr<Device> make_device(Backend backend);

}  // namespace ncscope
