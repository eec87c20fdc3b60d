// From a tile of shifted rows to the scatter: the way that the device takes, and those that it
// could take. Useful work is rows d (d + 1) flops, whatever a way does besides.
#include "tests/bench/cuda/scatter_tile.h"

namespace ncscope::bench {
namespace {

// Products of pieces, those of the smallest first.
template <class T>
void multiply_pieces(const Scatter& s, std::initializer_list<std::pair<size_t, size_t>> pairs,
                     int64_t block) {
  float beta = 0;
  for (const auto& [i, j] : pairs) {
    multiply_triangle(s.harness().blas(), s.d(), s.k(), block, s.piece<T>(i), s.piece<T>(j), beta,
                      s.partial());
    beta = 1;
  }
}

// Math modes of the handle, put back in the end.
class MathMode {
 public:
  MathMode(cublasHandle_t blas, int mode) : blas_(blas) {
    NCSCOPE_CUDA_TRY(cublasSetMathMode(blas_, static_cast<cublasMath_t>(mode)));
  }
  ~MathMode() {
    cublasSetMathMode(blas_,
                      static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                                CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION));
  }

 private:
  cublasHandle_t blas_;
};

// The ways with exact products of float32.
void exact_ways(Scatter& s) {
  const cublasHandle_t blas = s.harness().blas();
  const auto whole = s.d();
  s.measure("syrk_add", 1e-5, [&](const float* rows) {
    s.scale(rows);
    rank_update(blas, s.d(), s.k(), rows, 0.0F, s.partial());
  });
  s.measure("gemm_square", 1e-5, [&](const float* rows) {
    s.scale(rows);
    multiply(blas, whole, whole, s.k(), rows, whole, rows, whole, 0.0F, s.partial(), whole);
  });
  for (const int64_t parts : {4, 8}) {
    s.measure("gemm_triangle_" + std::to_string(parts), 1e-5, [&](const float* rows) {
      s.scale(rows);
      multiply_triangle(blas, s.d(), s.k(), (whole + parts - 1) / parts, rows, rows, 0.0F,
                        s.partial());
    });
  }
}

void wide_ways(Scatter& s) {
  const cublasHandle_t blas = s.harness().blas();
  s.measure_wide("fp64_dsyrk", [&](const double* rows) {
    rank_update(blas, s.d(), s.k(), rows, 0.0, s.scatter());
  });
  s.measure_wide("fp64_dgemm_triangle_4", [&](const double* rows) {
    multiply_triangle(blas, s.d(), s.k(), (s.d() + 3) / 4, rows, rows, 0.0, s.scatter());
  });
}

// Candidates for a math that is faster than exact: pieces on tensor cores.
void split_ways(Scatter& s) {
  Harness& h = s.harness();
  const int64_t block = (s.d() + 3) / 4;
  // Not every card and cuBLAS has them all.
  const auto measure = [&](const std::string& way, double error_at_most, const auto& product) {
    s.measure(way, error_at_most, product, true);
  };
  measure("3xtf32_triangle_4", 1e-3, [&](const float* rows) {
    const MathMode mode(h.blas(), CUBLAS_TF32_TENSOR_OP_MATH);
    split_tf32(h.stream(), rows, s.piece<float>(0), s.piece<float>(1), s.count());
    multiply_pieces<float>(s, {{0, 1}, {1, 0}, {0, 0}}, block);
  });
  measure("bf16x2_3_products_triangle_4", 1e-2, [&](const float* rows) {
    split_bf16(h.stream(), rows, s.piece<Half>(0), s.piece<Half>(1), nullptr, s.count());
    multiply_pieces<Half>(s, {{0, 1}, {1, 0}, {0, 0}}, block);
  });
  measure("bf16x3_6_products_triangle_4", 1e-3, [&](const float* rows) {
    split_bf16(h.stream(), rows, s.piece<Half>(0), s.piece<Half>(1), s.piece<Half>(2), s.count());
    multiply_pieces<Half>(s, {{0, 2}, {2, 0}, {1, 1}, {0, 1}, {1, 0}, {0, 0}}, block);
  });
  measure("cublas_bf16x9", 1e-3, [&](const float* rows) {
    const MathMode mode(h.blas(), CUBLAS_FP32_EMULATED_BF16X9_MATH);
    multiply_triangle(h.blas(), s.d(), s.k(), block, rows, rows, 0.0F, s.partial());
  });
  measure("tf32_triangle_4", 1e-2, [&](const float* rows) {
    const MathMode mode(h.blas(), CUBLAS_TF32_TENSOR_OP_MATH);
    multiply_triangle(h.blas(), s.d(), s.k(), block, rows, rows, 0.0F, s.partial());
  });
}

}  // namespace

void measure_scatter(Harness& h) {
  for (const size_t dim : pick<std::vector<size_t>>(h.mode, {24}, {2048}, {2048, 512, 4096})) {
    h.attempt("scatter/d" + std::to_string(dim), [&] {
      Scatter scatter(h, dim, h.smoke() ? 40 : kTileRows);
      exact_ways(scatter);
      scatter.measure_add();
      if (dim != 2048 && !h.smoke()) return;
      wide_ways(scatter);
      split_ways(scatter);
    });
  }
  // Whether longer tiles would pay.
  if (h.mode == Mode::kFull) {
    h.attempt("scatter/d2048/syrk_add_8192_rows", [&] {
      Scatter longer(h, 2048, 4 * kTileRows);
      longer.measure("syrk_add_8192_rows", 1e-5, [&](const float* rows) {
        longer.scale(rows);
        rank_update(h.blas(), longer.d(), longer.k(), rows, 0.0F, longer.partial());
      });
    });
  }
}

}  // namespace ncscope::bench
