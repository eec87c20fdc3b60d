// Products of matrices by all threads of the pool: blocks of a fixed size, each by a call of BLAS
// that has one thread. Results do not depend on the number of threads, nobody spins while others
// work, and on a processor that is shared products slow down by what the others take, not more.
#pragma once

#include <cstddef>

#include "kernels/cpu/thread_pool.h"
#include "kernels/matrix.h"

namespace ncscope::products {

// C [m, n] = alpha op(A) op(B) + beta C, row-major, T float or double; beta = 0 does not read C.
template <class T>
void gemm(ThreadPool& pool, bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
          T alpha, const T* a, size_t lda, const T* b, size_t ldb, T beta, T* c, size_t ldc);

// Upper triangle of C [n, n] = alpha A^T A + beta C (transpose, A [k, n]) or alpha A A^T + beta C
// (A [n, k]).
template <class T>
void syrk_upper(ThreadPool& pool, bool transpose, size_t n, size_t k, T alpha, const T* a,
                size_t lda, T beta, T* c, size_t ldc);

// L X = B or L^T X = B (transpose), L the lower triangle of `factor`; X in place of B.
void triangular_solve(ThreadPool& pool, bool transpose, ConstMatrix factor, Matrix b);

}  // namespace ncscope::products
