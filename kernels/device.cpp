// The checks in front of every device: memory and linear algebra.
#include "kernels/device.h"

#include "kernels/device_checks.h"

namespace ncscope {

DeviceBuffer Device::allocate(size_t bytes) {
  if (bytes == 0) return {};
  return do_allocate(bytes);
}

DeviceMatrix Device::matrix(size_t rows, size_t cols) {
  return {allocate(check::checked_bytes("matrix", rows, cols, sizeof(double))), rows, cols};
}

DeviceMatrix Device::upload(ConstMatrix host) {
  check::require_matrix("upload", "host", host);
  DeviceMatrix device = matrix(host.rows, host.cols);
  if (host.rows == 0 || host.cols == 0) return device;
  if (host.stride == host.cols) {
    do_copy_to_device(device.view().data, host.data, host.rows * host.cols * sizeof(double));
  } else {
    for (size_t r = 0; r < host.rows; ++r) {
      do_copy_to_device(device.view().row(r), host.row(r), host.cols * sizeof(double));
    }
  }
  return device;
}

void Device::copy_to_device(void* device, const void* host, size_t bytes) {
  if (bytes == 0) return;
  check::require("copy_to_device", device != nullptr && host != nullptr, "two addresses", "null");
  do_copy_to_device(device, host, bytes);
}

void Device::copy_to_host(void* host, const void* device, size_t bytes) {
  if (bytes == 0) return;
  check::require("copy_to_host", device != nullptr && host != nullptr, "two addresses", "null");
  do_copy_to_host(host, device, bytes);
}

void Device::download(ConstMatrix device, double* host) {
  check::require_matrix("download", "device", device);
  if (device.rows == 0 || device.cols == 0) return;
  check::require("download", host != nullptr, "a host address", "null");
  if (device.stride == device.cols) {
    do_copy_to_host(host, device.data, device.rows * device.cols * sizeof(double));
    return;
  }
  for (size_t r = 0; r < device.rows; ++r) {
    do_copy_to_host(host + r * device.cols, device.row(r), device.cols * sizeof(double));
  }
}

void Device::zero(void* device, size_t bytes) {
  if (bytes == 0) return;
  check::require("zero", device != nullptr, "an address", "null");
  do_zero(device, bytes);
}

void Device::gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a, ConstMatrix b,
                  double beta, Matrix c) {
  check::require_matrix("gemm", "A", a);
  check::require_matrix("gemm", "B", b);
  check::require_matrix("gemm", "C", c);
  const size_t rows = transpose_a ? a.cols : a.rows;
  const size_t inner = transpose_a ? a.rows : a.cols;
  const size_t inner_b = transpose_b ? b.cols : b.rows;
  const size_t cols = transpose_b ? b.rows : b.cols;
  check::require("gemm", inner == inner_b, "op(B) of " + std::to_string(inner) + " rows",
                 std::to_string(inner_b));
  check::require_shape("gemm", "C", c, rows, cols);
  if (rows == 0 || cols == 0) return;
  do_gemm(transpose_a, transpose_b, alpha, a, b, beta, c);
}

void Device::syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) {
  check::require_matrix("syrk", "A", a);
  check::require_matrix("syrk", "C", c);
  const size_t n = transpose ? a.cols : a.rows;
  check::require_shape("syrk", "C", c, n, n);
  if (n == 0) return;
  do_syrk(transpose, alpha, a, beta, c);
}

bool Device::cholesky(Matrix a) {
  check::require_matrix("cholesky", "A", a);
  check::require_shape("cholesky", "A", a, a.rows, a.rows);
  return a.rows == 0 || do_cholesky(a);
}

void Device::cholesky_solve(ConstMatrix factor, Matrix b) {
  check::require_matrix("cholesky_solve", "L", factor);
  check::require_matrix("cholesky_solve", "B", b);
  check::require_shape("cholesky_solve", "L", factor, factor.rows, factor.rows);
  check::require_shape("cholesky_solve", "B", b, factor.rows, b.cols);
  if (b.rows == 0 || b.cols == 0) return;
  do_cholesky_solve(factor, b);
}

std::vector<double> Device::eigh(Matrix a) {
  check::require_matrix("eigh", "A", a);
  check::require_shape("eigh", "A", a, a.rows, a.rows);
  if (a.rows == 0) return {};
  return do_eigh(a, true);
}

std::vector<double> Device::eigenvalues(Matrix a) {
  check::require_matrix("eigenvalues", "A", a);
  check::require_shape("eigenvalues", "A", a, a.rows, a.rows);
  if (a.rows == 0) return {};
  return do_eigh(a, false);
}

std::vector<double> Device::row_dots(ConstMatrix a, ConstMatrix b) {
  check::require_matrix("row_dots", "A", a);
  check::require_matrix("row_dots", "B", b);
  check::require_shape("row_dots", "B", b, a.rows, a.cols);
  if (a.rows == 0 || a.cols == 0) return std::vector<double>(a.rows, 0.0);
  return do_row_dots(a, b);
}

void Device::scale_rows(Matrix a, std::span<const double> factors) {
  check::require_matrix("scale_rows", "A", a);
  check::require_size("scale_rows", "factors", a.rows, factors.size());
  if (a.rows == 0 || a.cols == 0) return;
  do_scale_rows(a, factors);
}

void Device::subtract_row(Matrix a, std::span<const double> v) {
  check::require_matrix("subtract_row", "A", a);
  check::require_size("subtract_row", "v", a.cols, v.size());
  if (a.rows == 0 || a.cols == 0) return;
  do_subtract_row(a, v);
}

}  // namespace ncscope
