// Kernels of argmax_affine and point_distances: samples and classes in T, the two best scores of a
// sample, and, where those are too close, decisions in float64. T is float or double.
#pragma once

#include <cstdint>

#include "kernels/cuda/handles.h"
#include "kernels/dtype.h"
#include "kernels/matrix.h"

namespace ncscope::cuda {

// The two largest scores of a sample so far, and the class of the largest.
struct TopScores {
  double best;
  double second;
  int64_t place;
};

// A sample whose scores in T do not decide.
struct UnclearSample {
  int row;       // of the samples that lie on the card
  int place;     // the best class so far
  double best;   // its score in float64; -infinity before the first
  double least;  // a class that scores less in T is not the best in float64
};

// Samples on the card, as they came.
struct ScoreSamples {
  const void* features;  // [rows, dim] of `type`
  DType type;
  int rows;
  size_t dim;
  const double* center;  // [dim], or null
};

// out [rows, dim] = h - center, rounded to T; norms [rows] before rounding. Resets tops [rows].
template <class T>
void load_samples(cudaStream_t stream, const ScoreSamples& samples, T* out, double* norms,
                  TopScores* tops);

// out [a.rows, dim] = a, rounded to T; raises *largest_norm to the largest norm of a row.
template <class T>
void load_classes(cudaStream_t stream, ConstMatrix a, T* out, unsigned long long* largest_norm);

// Takes scores dots [rows, classes] + offset [classes] of classes first_class + j.
template <class T>
void update_tops(cudaStream_t stream, const T* dots, int rows, int classes, const double* offset,
                 int first_class, TopScores* tops);

// Lists the samples whose two best scores are closer than their rounding errors; *count was 0. The
// order of the list is that of no one: nothing depends on it.
template <class T>
void find_unclear(cudaStream_t stream, const TopScores* tops, const double* norms, int rows,
                  size_t dim, bool points, const unsigned long long* largest_norm,
                  double largest_offset, UnclearSample* list, int* count);

// out [count, dim] = the listed rows of in.
template <class T>
void gather_rows(cudaStream_t stream, const T* in, size_t dim, const UnclearSample* list, int count,
                 T* out);

// Scores in float64, in the order of the columns, the classes that may be the best of a listed
// sample; dots as above, for the listed samples.
template <class T>
void decide_exactly(cudaStream_t stream, const ScoreSamples& samples, const T* dots, ConstMatrix a,
                    const double* offset, int first_class, bool points, UnclearSample* list,
                    int count);

// places [rows] of the tops, then of the listed samples.
void write_places(cudaStream_t stream, const TopScores* tops, int rows, int* places);
void write_places(cudaStream_t stream, const UnclearSample* list, int count, int* places);

// distances [rows] of h - center and points[places[row]], infinite where the place is -1.
void take_distances(cudaStream_t stream, const ScoreSamples& samples, ConstMatrix points,
                    const int* places, double* distances);

}  // namespace ncscope::cuda
