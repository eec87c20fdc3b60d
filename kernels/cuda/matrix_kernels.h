// Operations on matrices that cuBLAS has no routine for. Row-major, float64, in device memory.
#pragma once

#include "kernels/cuda/handles.h"
#include "kernels/matrix.h"

namespace ncscope::cuda {

// Copies the upper triangle to the lower one.
void mirror_upper(cudaStream_t stream, Matrix a);
// a *= factor; every element is 0 afterwards where factor is 0.
void scale(cudaStream_t stream, double factor, Matrix a);
// Row r times factors[r].
void scale_rows(cudaStream_t stream, const double* factors, Matrix a);
// Every row minus v [cols].
void subtract_row(cudaStream_t stream, const double* v, Matrix a);
// out[r] = <a_r, b_r>.
void row_dots(cudaStream_t stream, ConstMatrix a, ConstMatrix b, double* out);
// *found = 1 where an element of the lower triangle is a NaN or infinite, or, with
// `diagonal_only`, of the diagonal; else it stays as it is.
void find_nonfinite(cudaStream_t stream, ConstMatrix a, bool diagonal_only, int* found);

}  // namespace ncscope::cuda
