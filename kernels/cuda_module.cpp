#include "kernels/cuda_module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>

#include "kernels/errors.h"

namespace ncscope {
namespace {

std::string program_folder() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return ".";
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/'));
}

const CudaModule& load() {
  const std::string path = cuda_module_path();
  if (access(path.c_str(), F_OK) != 0) {
    throw BackendUnavailable("cuda is not part of this installation: there is no " + path);
  }
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw BackendUnavailable("cuda cannot be loaded: " + std::string(dlerror()));
  }
  const auto entry = reinterpret_cast<const CudaModule* (*)()>(dlsym(library, kCudaModuleSymbol));
  if (entry == nullptr) {
    throw BackendUnavailable("cuda cannot be loaded: " + path + " is not a module of ncscope");
  }
  const CudaModule& loaded = *entry();
  if (std::strcmp(loaded.interface, NCSCOPE_DEVICE_INTERFACE) != 0) {
    throw BackendUnavailable("cuda cannot be loaded: " + path +
                             " is of another version of ncscope, expected " +
                             NCSCOPE_DEVICE_INTERFACE + ", got " + loaded.interface);
  }
  return loaded;
}

}  // namespace

std::string cuda_module_path() {
  const char* const given = std::getenv("NCSCOPE_CUDA_MODULE");
  if (given != nullptr && *given != '\0') return given;
  return program_folder() + "/../lib/ncscope/ncscope_cuda.so";
}

const CudaModule& cuda_module() {
  static const CudaModule& loaded = load();  // tried again after an exception
  return loaded;
}

}  // namespace ncscope
