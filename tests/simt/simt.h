// What tests ask of the card made of fibers; see README.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ncscope::simt {

// A fault of a kernel or of a library call. It ends its launch and fails the card.
struct Finding {
  std::string kind;    // "out of bounds write", "race between blocks", ...
  std::string kernel;  // or the library's function
  std::array<unsigned, 3> block{};
  std::array<unsigned, 3> thread{};
  uintptr_t address = 0;
  std::string text;  // all of it, for people
};
std::vector<Finding> findings();
void clear_findings();

// Whether accesses of kernels are checked: not in sanitized builds, nor with
// NCSCOPE_SIMT_CHECKS=0.
bool checked();

// Drops the sticky error, what is queued, and faults not yet met.
void reset();

// In which order blocks of a launch, threads of a block and streams take their turns.
enum class Order { kForward, kReverse, kRandom };
void set_order(Order order, uint64_t seed = 0);

// When an asynchronous copy reads pageable memory of the host: kStaged, before it returns. kLate,
// as pinned memory is read, when the stream gets there; memory of both kinds must then hold what it
// held at the call, or that is a finding.
enum class Copies { kStaged, kLate };
void set_copies(Copies copies);

// Calls that can be made to fail. kLaunch, kMalloc, kPinned and kMemcpy (copies and memset) take a
// cudaError_t, kBlas a cublasStatus_t, kSolver and kSolverSize (how much workspace syevd needs) a
// cusolverStatus_t.
enum class Fault { kLaunch, kMalloc, kPinned, kMemcpy, kBlas, kSolver, kSolverSize };
// The n-th call of that kind from now on, counted from 1, fails with `code`. An error that stays on
// a real card (700, 719, ...) shows when the work is executed.
void inject(Fault kind, int n, int code);

void set_memory(size_t bytes);
void set_devices(int count);

struct Allocations {
  size_t count = 0;
  size_t bytes = 0;
};
Allocations allocations();         // device memory that is not freed
Allocations pinned_allocations();  // pinned memory likewise

}  // namespace ncscope::simt
