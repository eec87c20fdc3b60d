#pragma once

namespace ncscope::server {

// What an acknowledged batch survives.
enum class Durability {
  kNone,   // nothing: there are no logs
  kOs,     // the end of the server
  kFsync,  // that of the machine
};

}  // namespace ncscope::server
