#include <cmath>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/scores.h"
#include "kernels/score_error.h"

namespace ncscope::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
constexpr double kLowest = -HUGE_VAL;

// h_j - center_j of a sample, in float64.
template <class Wire>
struct CenteredSample {
  const typename Wire::Element* features;
  const double* center;

  __device__ CenteredSample(const ScoreSamples& samples, int row)
      : features(static_cast<const typename Wire::Element*>(samples.features) +
                 static_cast<size_t>(row) * samples.dim),
        center(samples.center) {}
  __device__ double operator[](size_t j) const {
    const double h = Wire::value(features[j]);
    return center == nullptr ? h : h - center[j];
  }
};

// One block takes a sample.
template <class Wire, class T>
__global__ void __launch_bounds__(kThreads)
    load_sample_rows(ScoreSamples samples, T* out, double* norms, TopScores* tops) {
  __shared__ double warps[kWarps];
  const int row = static_cast<int>(blockIdx.x);
  const CenteredSample<Wire> h(samples, row);
  T* const to = out + static_cast<size_t>(row) * samples.dim;
  double square = 0;
  for (size_t j = threadIdx.x; j < samples.dim; j += kThreads) {
    const double x = h[j];
    square += x * x;
    to[j] = static_cast<T>(x);
  }
  square = block_sum<kThreads>(square, warps);
  if (threadIdx.x != 0) return;
  norms[row] = sqrt(square);
  tops[row] = {kLowest, kLowest, 0};
}

// One block takes a class.
template <class T>
__global__ void __launch_bounds__(kThreads)
    load_class_rows(ConstMatrix a, T* out, unsigned long long* largest_norm) {
  __shared__ double warps[kWarps];
  const double* const from = a.data + blockIdx.x * a.stride;
  T* const to = out + blockIdx.x * a.cols;
  double square = 0;
  for (size_t j = threadIdx.x; j < a.cols; j += kThreads) {
    square += from[j] * from[j];
    to[j] = static_cast<T>(from[j]);
  }
  square = block_sum<kThreads>(square, warps);
  if (threadIdx.x == 0) raise_to(largest_norm, sqrt(square));
}

// Written so that a NaN leaves the other score in place. Which of equal scores counts as the best
// does not matter: such a sample is unclear.
__device__ void take_score(double score, int64_t place, TopScores& top) {
  if (score > top.best) {
    top.second = top.best;
    top.best = score;
    top.place = place;
  } else if (score > top.second) {
    top.second = score;
  }
}

// One warp takes a sample.
template <class T>
__global__ void __launch_bounds__(kThreads)
    update_top_rows(const T* dots, int rows, int classes, const double* offset, int first_class,
                    TopScores* tops) {
  const int row = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= rows) return;
  const T* const from = dots + static_cast<size_t>(row) * classes;
  TopScores top = {kLowest, kLowest, 0};
  for (int j = lane; j < classes; j += kWarp) {
    take_score(static_cast<double>(from[j]) + offset[j], first_class + j, top);
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const double best = __shfl_down_sync(kAllLanes, top.best, step);
    const double second = __shfl_down_sync(kAllLanes, top.second, step);
    const int64_t place = __shfl_down_sync(kAllLanes, top.place, step);
    take_score(best, place, top);
    if (second > top.second) top.second = second;
  }
  if (lane != 0) return;
  TopScores sofar = tops[row];
  take_score(top.best, top.place, sofar);
  if (top.second > sofar.second) sofar.second = top.second;
  tops[row] = sofar;
}

// One thread takes a sample.
template <class T>
__global__ void __launch_bounds__(kThreads)
    list_unclear(const TopScores* tops, const double* norms, int rows, size_t dim, bool points,
                 const unsigned long long* largest_norm, double largest_offset, UnclearSample* list,
                 int* count) {
  const int row = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (row >= rows) return;
  const double largest = __longlong_as_double(static_cast<long long>(*largest_norm));
  const double error = score_error<T>(dim, points, norms[row], largest, largest_offset);
  const TopScores top = tops[row];
  if (top.best - top.second > 2 * error) return;
  list[atomicAdd(count, 1)] = {row, 0, kLowest, top.best - 2 * error};
}

// One block takes a listed sample.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_listed(const T* in, size_t dim, const UnclearSample* list, T* out) {
  const T* const from = in + static_cast<size_t>(list[blockIdx.x].row) * dim;
  for (size_t j = threadIdx.x; j < dim; j += kThreads) out[blockIdx.x * dim + j] = from[j];
}

// The larger score; of equal ones the lower class. A NaN is never the best.
struct ExactScore {
  double score;
  int place;

  __device__ void keep(double other_score, int other) {
    if (other_score > score || (other_score == score && other < place)) {
      score = other_score;
      place = other;
    }
  }
};

// Sums of products or squares in the order of the columns, each rounded: never contracted.
template <class Wire>
__device__ double exact_score(const CenteredSample<Wire>& h, const double* a, size_t dim,
                              double offset, bool points) {
  double sum = 0;
  if (points) {
    for (size_t j = 0; j < dim; ++j) {
      const double difference = __dsub_rn(a[j], h[j]);
      sum = __dadd_rn(sum, __dmul_rn(difference, difference));
    }
    return -sum;
  }
  for (size_t j = 0; j < dim; ++j) sum = __dadd_rn(sum, __dmul_rn(a[j], h[j]));
  return __dadd_rn(sum, offset);
}

// One block takes a listed sample, one thread every kThreads-th class.
template <class Wire, class T>
__global__ void __launch_bounds__(kThreads)
    decide_listed(ScoreSamples samples, const T* dots, ConstMatrix a, const double* offset,
                  int first_class, bool points, UnclearSample* list) {
  __shared__ ExactScore warps[kWarps];
  const UnclearSample sample = list[blockIdx.x];
  const CenteredSample<Wire> h(samples, sample.row);
  const int classes = static_cast<int>(a.rows);
  constexpr int kNone = 0x7fffffff;
  ExactScore best = {kLowest, kNone};
  for (int j = static_cast<int>(threadIdx.x); j < classes; j += kThreads) {
    const double score = static_cast<double>(dots[blockIdx.x * a.rows + j]) + offset[j];
    if (score < sample.least) continue;  // a NaN may be any
    best.keep(exact_score(h, a.data + j * a.stride, a.cols, offset[j], points), first_class + j);
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const double score = __shfl_down_sync(kAllLanes, best.score, step);
    best.keep(score, __shfl_down_sync(kAllLanes, best.place, step));
  }
  if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = best;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < kWarps; ++w) best.keep(warps[w].score, warps[w].place);
  // Earlier tiles hold lower classes: they keep what is equal.
  if (best.score > sample.best) {
    list[blockIdx.x].best = best.score;
    list[blockIdx.x].place = best.place;
  }
}

__global__ void __launch_bounds__(kThreads)
    write_tops(const TopScores* tops, int rows, int* places) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i < rows) places[i] = static_cast<int>(tops[i].place);
}

__global__ void __launch_bounds__(kThreads)
    write_listed(const UnclearSample* list, int count, int* places) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i < count) places[list[i].row] = list[i].place;
}

// One block takes a sample.
template <class Wire>
__global__ void __launch_bounds__(kThreads)
    measure_distances(ScoreSamples samples, ConstMatrix points, const int* places,
                      double* distances) {
  __shared__ double warps[kWarps];
  const int row = static_cast<int>(blockIdx.x);
  const int place = places[row];
  if (place < 0) {
    if (threadIdx.x == 0) distances[row] = HUGE_VAL;
    return;
  }
  const CenteredSample<Wire> h(samples, row);
  const double* const point = points.data + static_cast<size_t>(place) * points.stride;
  double square = 0;
  for (size_t j = threadIdx.x; j < samples.dim; j += kThreads) {
    const double difference = h[j] - point[j];
    square += difference * difference;
  }
  square = block_sum<kThreads>(square, warps);
  if (threadIdx.x == 0) distances[row] = sqrt(square);
}

unsigned blocks(int items, int per_block) {
  return blocks_of(static_cast<size_t>(items), static_cast<size_t>(per_block));
}

}  // namespace

template <class T>
void load_samples(cudaStream_t stream, const ScoreSamples& samples, T* out, double* norms,
                  TopScores* tops) {
  // Samples of float64 are never taken in float.
  const DType compute = sizeof(T) == sizeof(double) ? DType::kFloat64 : DType::kFloat32;
  with_types(samples.type, compute, [&](auto wire, auto t) {
    if constexpr (std::is_same_v<typename decltype(t)::type, T>) {
      launch(stream, dim3(static_cast<unsigned>(samples.rows)), kThreads,
             load_sample_rows<typename decltype(wire)::type, T>, samples, out, norms, tops);
    }
  });
}

template <class T>
void load_classes(cudaStream_t stream, ConstMatrix a, T* out, unsigned long long* largest_norm) {
  launch(stream, dim3(static_cast<unsigned>(a.rows)), kThreads, load_class_rows<T>, a, out,
         largest_norm);
}

template <class T>
void update_tops(cudaStream_t stream, const T* dots, int rows, int classes, const double* offset,
                 int first_class, TopScores* tops) {
  launch(stream, dim3(blocks(rows, kWarps)), kThreads, update_top_rows<T>, dots, rows, classes,
         offset, first_class, tops);
}

template <class T>
void find_unclear(cudaStream_t stream, const TopScores* tops, const double* norms, int rows,
                  size_t dim, bool points, const unsigned long long* largest_norm,
                  double largest_offset, UnclearSample* list, int* count) {
  launch(stream, dim3(blocks(rows, kThreads)), kThreads, list_unclear<T>, tops, norms, rows, dim,
         points, largest_norm, largest_offset, list, count);
}

template <class T>
void gather_rows(cudaStream_t stream, const T* in, size_t dim, const UnclearSample* list, int count,
                 T* out) {
  launch(stream, dim3(static_cast<unsigned>(count)), kThreads, gather_listed<T>, in, dim, list,
         out);
}

template <class T>
void decide_exactly(cudaStream_t stream, const ScoreSamples& samples, const T* dots, ConstMatrix a,
                    const double* offset, int first_class, bool points, UnclearSample* list,
                    int count) {
  const DType compute = sizeof(T) == sizeof(double) ? DType::kFloat64 : DType::kFloat32;
  with_types(samples.type, compute, [&](auto wire, auto t) {
    if constexpr (std::is_same_v<typename decltype(t)::type, T>) {
      launch(stream, dim3(static_cast<unsigned>(count)), kThreads,
             decide_listed<typename decltype(wire)::type, T>, samples, dots, a, offset, first_class,
             points, list);
    }
  });
}

void write_places(cudaStream_t stream, const TopScores* tops, int rows, int* places) {
  launch(stream, dim3(blocks(rows, kThreads)), kThreads, write_tops, tops, rows, places);
}

void write_places(cudaStream_t stream, const UnclearSample* list, int count, int* places) {
  launch(stream, dim3(blocks(count, kThreads)), kThreads, write_listed, list, count, places);
}

void take_distances(cudaStream_t stream, const ScoreSamples& samples, ConstMatrix points,
                    const int* places, double* distances) {
  with_types(samples.type, DType::kFloat64, [&](auto wire, auto) {
    launch(stream, dim3(static_cast<unsigned>(samples.rows)), kThreads,
           measure_distances<typename decltype(wire)::type>, samples, points, places, distances);
  });
}

#define NCSCOPE_INSTANTIATE(T)                                                                    \
  template void load_samples<T>(cudaStream_t, const ScoreSamples&, T*, double*, TopScores*);      \
  template void load_classes<T>(cudaStream_t, ConstMatrix, T*, unsigned long long*);              \
  template void update_tops<T>(cudaStream_t, const T*, int, int, const double*, int, TopScores*); \
  template void find_unclear<T>(cudaStream_t, const TopScores*, const double*, int, size_t, bool, \
                                const unsigned long long*, double, UnclearSample*, int*);         \
  template void gather_rows<T>(cudaStream_t, const T*, size_t, const UnclearSample*, int, T*);    \
  template void decide_exactly<T>(cudaStream_t, const ScoreSamples&, const T*, ConstMatrix,       \
                                  const double*, int, bool, UnclearSample*, int)
NCSCOPE_INSTANTIATE(float);
NCSCOPE_INSTANTIATE(double);
#undef NCSCOPE_INSTANTIATE

}  // namespace ncscope::cuda
