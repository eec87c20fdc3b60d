// A kernel with one of many faults.
#pragma once

#include <cuda_runtime.h>

namespace ncscope::simt {

enum class Planted {
  kMissingBarrier,
  kMissingWarpBarrier,
  kReadBeforeWriteInWarp,
  kWriteBeyond,
  kReadBeyond,
  kReadUnwrittenShared,
  kReadUnwrittenGlobal,
  kSameWordFromBlocks,
  kReadOfOtherBlock,
  kAtomicAndPlain,
  kPlainThenAtomic,
  kReadOfAtomicSum,
  kDivergentBarrier,
  kEndBeforeBarrier,
  kAbsentLane,
  kLaneOutsideMask,
  kShufflesApart,
  kVotesApart,
  kShufflesOfOneFunction,
  kBarriersApart,
  kBarriersOfOneFunction,
  kCopyBeyond,
  kCopyOfUnwritten,
  kCopyOfKnownLength,
  kFillBeyond,
  kFillOfOtherBlock,
  kCompareBeyond,
  kBeyondOwnArray,
  kBeyondInnerArray,
  kWriteToConstant,
  kGlobalConstant,
  kGlobalVariable,
  kMisaligned,
};
// Launches a kernel with that fault: two blocks of 64 threads over 128 ints.
cudaError_t plant(cudaStream_t stream, Planted fault, int* data, int* out);

}  // namespace ncscope::simt
