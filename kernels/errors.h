// Exceptions by cause. The server turns each into one gRPC status, the command line into exit 1.
#pragma once

#include <stdexcept>
#include <string>

namespace ncscope {

// Base of everything ncscope throws on purpose. what() names what was expected and what came.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller's input is wrong: shape, type, range, a NaN.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

// Host or device memory, or a stated budget, is used up. The state is as it was before the call.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

// The device that was asked for is not there or was not built.
class BackendUnavailable : public Error {
 public:
  using Error::Error;
};

// A factorisation did not converge.
class NumericalError : public Error {
 public:
  using Error::Error;
};

// The device or a library of it failed.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// The device failed in a way that only a new process cures: every later call on it fails too.
class DeviceLost : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

// Stored or received bytes are not what was written: wrong checksum, truncated, not the format.
class DataLoss : public Error {
 public:
  using Error::Error;
};

}  // namespace ncscope
