#include <cstring>

#include "tests/simt/planted_faults.h"

namespace ncscope::simt {
namespace {

constexpr unsigned kAll = 0xffffffffu;

// Of the host, as nothing says that they are the card's.
const int constants[64] = {1};
int variables[64];

__device__ __attribute__((noinline)) int first_of(const int* values) { return values[0]; }
__device__ __attribute__((noinline)) void set_first(int* values, int x) { values[0] = x; }

// One place in the source, and two in a kernel that calls it twice.
__device__ __attribute__((noinline)) int next_lane(int x) { return __shfl_down_sync(kAll, x, 1); }
__device__ __forceinline__ void everybody() { __syncthreads(); }

// Two blocks of 64 threads, each with an element of `data` and of `out`.
__global__ void planted_kernel(Planted fault, int* data, int* out) {
  __shared__ int slot[64];
  __shared__ int total;
  const unsigned t = threadIdx.x;
  const unsigned i = blockIdx.x * 64 + t;
  switch (fault) {
    case Planted::kMissingBarrier:
      slot[t] = 0;
      __syncthreads();
      slot[t] = data[i];
      out[i] = slot[63 - t];
      break;
    case Planted::kMissingWarpBarrier:
      slot[t] = data[i];
      __syncwarp();
      slot[t] += slot[t ^ 1];
      out[i] = slot[t];
      break;
    case Planted::kReadBeforeWriteInWarp:
      slot[t] = data[i];
      __syncthreads();
      out[i] = slot[0];
      if (t == 5) slot[0] = 1;
      break;
    case Planted::kWriteBeyond:
      out[i + 1] = data[i];
      break;
    case Planted::kReadBeyond:
      out[i] = data[i + 1];
      break;
    case Planted::kReadUnwrittenShared:
      if (t != 40) slot[t] = data[i];
      __syncthreads();
      out[i] = slot[63 - t];
      break;
    case Planted::kReadUnwrittenGlobal:
      out[i] += data[i];
      break;
    case Planted::kSameWordFromBlocks:
      out[t] = data[i];
      break;
    case Planted::kReadOfOtherBlock:
      data[i] += data[127 - i];
      break;
    case Planted::kAtomicAndPlain:
      if (t == 0) total = 0;
      __syncthreads();
      atomicAdd(&total, data[i]);
      if (t == 63) out[i] = total;
      break;
    case Planted::kPlainThenAtomic:
      if (t == 63) total = 0;
      __syncthreads();
      if (t == 0) total = 1;
      __syncwarp();  // orders one warp behind that, and the other not
      atomicAdd(&total, 1);
      break;
    case Planted::kReadOfAtomicSum:
      atomicAdd(data, 1);
      __syncthreads();
      if (t == 0) out[i] = *data;
      break;
    case Planted::kDivergentBarrier:
      if (t < 33) {
        __syncthreads();
      } else {
        __syncwarp(t == 33 ? 2u : 0xfffffffcu);
        __shfl_sync(kAll, 1, 0);
      }
      break;
    case Planted::kEndBeforeBarrier:
      if (t == 7) return;
      __syncthreads();
      break;
    case Planted::kAbsentLane:
      if (t % 32 < 31) out[i] = __shfl_xor_sync(kAll, data[i], 1);
      break;
    case Planted::kLaneOutsideMask:
      if (t % 32 < 16) out[i] = __shfl_sync(0xffffu, data[i], 20);
      break;
    case Planted::kShufflesApart:
      if (t % 32 < 16) {
        out[i] = __shfl_xor_sync(kAll, data[i], 1);
      } else {
        out[i] = __shfl_xor_sync(kAll, data[i], 1) + 1;
      }
      break;
    case Planted::kVotesApart:
      if (t % 32 < 16) {
        out[i] = __any_sync(kAll, data[i]);
      } else {
        out[i] = __all_sync(kAll, data[i]);
      }
      break;
    case Planted::kShufflesOfOneFunction:
      out[i] = t % 32 < 16 ? next_lane(data[i]) : next_lane(-data[i]);
      break;
    case Planted::kBarriersApart:
      if (t < 32) {
        __syncthreads();
      } else {
        __syncthreads();
      }
      break;
    case Planted::kBarriersOfOneFunction:
      if (t < 32) {
        everybody();
      } else {
        out[i] = 1;
        everybody();
      }
      break;
    case Planted::kCopyBeyond:
      // Of a length that the compiler does not know.
      if (i == 0) memcpy(out, data, sizeof(int) * 2 * blockDim.x + 1);
      break;
    case Planted::kCopyOfUnwritten:
      if (i == 0) memmove(data, out, sizeof(int) * blockDim.x);
      break;
    case Planted::kCopyOfKnownLength:
      if (i == 0) std::memcpy(out + 126, data, 3 * sizeof(int));
      break;
    case Planted::kFillBeyond:
      if (i == 0) std::memset(out + 1, 0, sizeof(int) * 2 * blockDim.x);
      break;
    case Planted::kFillOfOtherBlock:
      memset(out, 0, sizeof(int) * blockDim.x);
      break;
    case Planted::kCompareBeyond:
      if (i == 0) out[i] = memcmp(data, data + blockDim.x + 1, sizeof(int) * blockDim.x);
      break;
    case Planted::kBeyondOwnArray: {
      int own[4] = {1, 2, 3, 4};
      own[data[i] + t / 16] += 1;
      out[i] = own[0] + own[data[i]];
      break;
    }
    case Planted::kBeyondInnerArray: {
      struct Pair {
        int first[4];
        int second[4];
      };
      __shared__ Pair pair;
      if (t == 0) {
        pair.first[data[i] + 3] = 1;
        out[i] = pair.second[0];
      }
      break;
    }
    case Planted::kWriteToConstant: {
      static constexpr int kTable[2] = {1, 2};
      *const_cast<volatile int*>(kTable + data[i]) = 3;
      break;
    }
    case Planted::kGlobalConstant:
      out[i] = first_of(constants + t);
      break;
    case Planted::kGlobalVariable:
      set_first(variables + t, data[i]);
      break;
    case Planted::kMisaligned:
      *reinterpret_cast<float4*>(out + 1) = make_float4(1, 2, 3, 4);
      break;
  }
}

}  // namespace

cudaError_t plant(cudaStream_t stream, Planted fault, int* data, int* out) {
  cudaLaunchConfig_t config = {};
  config.gridDim = 2;
  config.blockDim = 64;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, planted_kernel, fault, data, out);
}

}  // namespace ncscope::simt
