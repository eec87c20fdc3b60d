// Launches: the configuration, the copy of the arguments, the grid, and findings of threads.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

#include "cuda_runtime.h"
#include "tests/simt/runtime/block.h"
#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/checks.h"
#include "tests/simt/runtime/memory.h"
#include "tests/simt/runtime/run.h"
#include "tests/simt/runtime/streams.h"
#include "tests/simt/runtime/symbols.h"

namespace ncscope::simt {
namespace {

constexpr std::align_val_t kArgumentAlignment{64};

// The card's copy of the arguments.
class Arguments {
 public:
  explicit Arguments(const device::Launch& launch)
      : bytes_(launch.bytes), data_(::operator new(launch.bytes, kArgumentAlignment)) {
    launch.copy(data_, launch.arguments);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() { ::operator delete(data_, kArgumentAlignment); }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
  void* data_;
};

bool valid(const cudaLaunchConfig_t& config) {
  const dim3& grid = config.gridDim;
  const dim3& block = config.blockDim;
  const bool some =
      grid.x > 0 && grid.y > 0 && grid.z > 0 && block.x > 0 && block.y > 0 && block.z > 0;
  return some && grid.x <= 0x7fffffff && grid.y <= 65535 && grid.z <= 65535 && block.x <= 1024 &&
         block.y <= 1024 && block.z <= 64 && uint64_t{block.x} * block.y * block.z <= 1024;
}

void run_grid(dim3 grid, dim3 shape, const device::Launch& launch, const Arguments& arguments) {
  if (checked()) start_checks();
  run.launch_epoch = run.epoch + 1;
  run.arguments_low = reinterpret_cast<uintptr_t>(arguments.data());
  run.arguments_bytes = arguments.bytes();
  run.kernel = launch.kernel;
  set_grid(grid, shape);
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  Walk walk(blocks, card().order, card().random);
  for (uint64_t k = 0; k < blocks && card().sticky == cudaSuccess; ++k) {
    const uint64_t i = walk.next();
    set_block({static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
               static_cast<unsigned>(i / grid.x / grid.y)});
    run.block_epoch = ++run.epoch;
    block().run(shape, launch.run, arguments.data());
  }
}

std::string text_of(const std::array<unsigned, 3>& v) {
  return "(" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + ")";
}

}  // namespace

bool checked() {
  static const bool checked = [] {
    const char* text = std::getenv("NCSCOPE_SIMT_CHECKS");
    return NCSCOPE_SIMT_HOOKS && (text == nullptr || std::string(text) != "0");
  }();
  return checked;
}

void report_thread(const std::string& kind, const std::string& details, uintptr_t address,
                   cudaError_t error) {
  const uint3 block = block_index();
  const uint3 thread = thread_index();
  Finding finding;
  finding.kind = kind;
  finding.kernel = name_of_code(run.kernel);
  finding.block = {block.x, block.y, block.z};
  finding.thread = {thread.x, thread.y, thread.z};
  finding.address = address;
  finding.text = kind + ": " + details + "; kernel " + finding.kernel + ", block " +
                 text_of(finding.block) + ", thread " + text_of(finding.thread);
  report(std::move(finding), error);
}

void fail_thread(const char* kind, uintptr_t address, size_t bytes, const void* code,
                 cudaError_t error) {
  in_kernel = false;
  std::string details = "in a warp call";
  if (code != nullptr) {
    char text[96];
    const auto from_kernel = static_cast<const char*>(code) - static_cast<const char*>(run.kernel);
    std::snprintf(text, sizeof text, "%zu bytes at %p, kernel%+td in ", bytes,
                  reinterpret_cast<void*>(address), from_kernel);
    details = text + name_of_code(code);
  }
  report_thread(kind, details, address, error);
  block().abandon();
}

}  // namespace ncscope::simt

namespace ncscope::simt::device {

cudaError_t launch(const cudaLaunchConfig_t* config, const Launch& launch) {
  return call([&] {
    if (config == nullptr) return cudaErrorInvalidValue;
    CUstream_st* stream = find_stream(config->stream);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    const cudaError_t code = static_cast<cudaError_t>(take_fault(Fault::kLaunch));
    if (code != cudaSuccess && !is_sticky(code)) return code;
    if (!valid(*config)) return cudaErrorInvalidConfiguration;
    // Attributes and dynamic shared memory are not played.
    if (config->numAttrs != 0 || config->dynamicSmemBytes != 0) return cudaErrorNotSupported;
    const auto arguments = std::make_shared<Arguments>(launch);
    const dim3 grid = config->gridDim;
    const dim3 shape = config->blockDim;
    enqueue(stream, [=] {
      if (code != cudaSuccess) {
        card().sticky = code;
      } else {
        run_grid(grid, shape, launch, *arguments);
      }
    });
    return cudaSuccess;
  });
}

}  // namespace ncscope::simt::device
