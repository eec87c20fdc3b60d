// How the sums of two sets of pairs become those of both, in the threads of a block.
#pragma once

#include "kernels/cuda/pair_sweep.h"
#include "kernels/cuda/reduce.cuh"

namespace ncscope::cuda {

__device__ inline PairPart no_pairs() {
  PairPart part = {};
  part.coherence.first = -1;
  part.cdnv_worst.first = -1;
  part.equal.first = -1;
  part.aligned.first = -1;
  return part;
}

__device__ inline bool comes_before(const PairValue& a, const PairValue& b) {
  return a.first < b.first || (a.first == b.first && a.second < b.second);
}

// Keeps the larger value; of equal ones the lower pair.
__device__ inline void keep_largest(const PairValue& from, PairValue& into) {
  if (from.first < 0) return;
  const bool larger = into.first < 0 || from.value > into.value;
  if (larger || (from.value == into.value && comes_before(from, into))) into = from;
}

__device__ inline void keep_first(const PairValue& from, PairValue& into) {
  if (from.first < 0) return;
  if (into.first < 0 || comes_before(from, into)) into = from;
}

// Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
__device__ inline void merge_moments(double a, double b, const PairMoments& from,
                                     PairMoments& into) {
  const double delta = from.mean - into.mean;
  into.mean += delta * (b / (a + b));
  into.m2 += from.m2 + delta * delta * (a * b / (a + b));
}

__device__ inline void merge_pairs(const PairPart& from, PairPart& into) {
  into.pairs += from.pairs;
  if (from.directed != 0) {
    const auto a = static_cast<double>(into.directed);
    const auto b = static_cast<double>(from.directed);
    merge_moments(a, b, from.cosine, into.cosine);
    merge_moments(a, b, from.distance, into.distance);
    into.directed += from.directed;
  }
  if (from.apart != 0) {
    const auto a = static_cast<double>(into.apart);
    const auto b = static_cast<double>(from.apart);
    merge_moments(a, b, from.log, into.log);
    merge_moments(a, b, from.riesz, into.riesz);
    into.apart += from.apart;
  }
  into.max_angle_sum += from.max_angle_sum;
  into.cdnv_sum += from.cdnv_sum;
  into.cdnv_fourth_sum += from.cdnv_fourth_sum;
  into.off_diagonal += from.off_diagonal;
  keep_largest(from.coherence, into.coherence);
  keep_largest(from.cdnv_worst, into.cdnv_worst);
  keep_first(from.equal, into.equal);
  keep_first(from.aligned, into.aligned);
}

__device__ inline PairValue shuffle_down(const PairValue& x, int offset) {
  return {__shfl_down_sync(kAllLanes, x.value, offset),
          __shfl_down_sync(kAllLanes, x.first, offset),
          __shfl_down_sync(kAllLanes, x.second, offset)};
}

__device__ inline PairMoments shuffle_down(const PairMoments& x, int offset) {
  return {__shfl_down_sync(kAllLanes, x.mean, offset), __shfl_down_sync(kAllLanes, x.m2, offset)};
}

__device__ inline PairPart shuffle_down(const PairPart& x, int offset) {
  PairPart y;
  y.pairs = __shfl_down_sync(kAllLanes, x.pairs, offset);
  y.directed = __shfl_down_sync(kAllLanes, x.directed, offset);
  y.apart = __shfl_down_sync(kAllLanes, x.apart, offset);
  y.cosine = shuffle_down(x.cosine, offset);
  y.distance = shuffle_down(x.distance, offset);
  y.log = shuffle_down(x.log, offset);
  y.riesz = shuffle_down(x.riesz, offset);
  y.max_angle_sum = __shfl_down_sync(kAllLanes, x.max_angle_sum, offset);
  y.cdnv_sum = __shfl_down_sync(kAllLanes, x.cdnv_sum, offset);
  y.cdnv_fourth_sum = __shfl_down_sync(kAllLanes, x.cdnv_fourth_sum, offset);
  y.off_diagonal = __shfl_down_sync(kAllLanes, x.off_diagonal, offset);
  y.coherence = shuffle_down(x.coherence, offset);
  y.cdnv_worst = shuffle_down(x.cdnv_worst, offset);
  y.equal = shuffle_down(x.equal, offset);
  y.aligned = shuffle_down(x.aligned, offset);
  return y;
}

// Thread 0 gets the sums of a block of kThreads; `warps` is shared memory for kThreads / kWarp.
template <int kThreads>
__device__ inline PairPart block_merge(PairPart part, PairPart* warps) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    merge_pairs(shuffle_down(part, offset), part);
  }
  if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = part;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < kThreads / kWarp; ++w) merge_pairs(warps[w], part);
  }
  return part;
}

}  // namespace ncscope::cuda
