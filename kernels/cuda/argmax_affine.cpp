// CudaDevice: the class with the largest score, for each sample. A block of samples meets a tile of
// classes at a time, in float32 (float64 for float64 features), and only the two largest scores of
// a sample are kept. A sample whose margin its rounding error could explain is decided in float64.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/scores.h"
#include "kernels/cuda/workspace.h"

namespace ncscope::cuda {
namespace {

void multiply(cublasHandle_t handle, int64_t m, int64_t n, int64_t k, const float* a,
              const float* b, float* c) {
  const float one = 1;
  const float zero = 0;
  NCSCOPE_CUDA_TRY(
      cublasSgemm_64(handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &one, a, k, b, k, &zero, c, m));
}

void multiply(cublasHandle_t handle, int64_t m, int64_t n, int64_t k, const double* a,
              const double* b, double* c) {
  const double one = 1;
  const double zero = 0;
  NCSCOPE_CUDA_TRY(
      cublasDgemm_64(handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &one, a, k, b, k, &zero, c, m));
}

}  // namespace

template <class T>
class CudaDevice::ScoreSweep {
 public:
  ScoreSweep(CudaDevice& device, const Batch& batch, const AffineScores& scores)
      : device_(device),
        stream_(device.stream_.get()),
        batch_(batch),
        scores_(scores),
        block_rows_(std::min({batch.rows, device.tuning_.score_rows,
                              device.staging_.rows_per_slot(batch.dim * dtype_size(batch.type))})),
        tile_classes_(std::min(scores.rows.rows, device.tuning_.score_classes)),
        unclear_rows_(std::min(block_rows_, device.tuning_.unclear_rows)) {
    for (const double t : scores.offset) {
      largest_offset_ = std::max(largest_offset_, std::fabs(t));
    }
    lay_out();
  }

  std::vector<int32_t> run() {
    device_.do_copy_to_device(offset_, scores_.offset.data(), scores_.offset.size_bytes());
    if (!scores_.center.empty()) {
      device_.do_copy_to_device(center_, scores_.center.data(), scores_.center.size_bytes());
    }
    NCSCOPE_CUDA_TRY(cudaMemsetAsync(largest_norm_, 0, sizeof(*largest_norm_), stream_));
    std::vector<int32_t> out(batch_.rows);
    // One block is copied while the one before it is decided.
    device_.finish_or_wait([&] {
      size_t next = 0;
      StagedRows staged = load(next);
      while (!staged.rows.empty()) {
        StagedRows after = load(next);
        device_.staging_.wait_for(staged, stream_);
        decide_block(staged, out.data() + staged.rows.front());
        device_.staging_.release(staged, stream_);
        staged = std::move(after);
      }
      device_.staging_.finish_copies();
    });
    return out;
  }

 private:
  void lay_out() {
    const size_t d = batch_.dim;
    Workspace room(device_.memory_, device_.score_workspace_);
    room.lay_out([&] {
      offset_ = room.take<double>(scores_.offset.size());
      center_ = room.take<double>(scores_.center.size());
      largest_norm_ = room.take<unsigned long long>(1);
      unclear_count_ = room.take<int>(1);
      rows_ = room.take<T>(block_rows_ * d);
      norms_ = room.take<double>(block_rows_);
      tops_ = room.take<TopScores>(block_rows_);
      places_ = room.take<int>(block_rows_);
      unclear_ = room.take<UnclearSample>(block_rows_);
      unclear_values_ = room.take<T>(unclear_rows_ * d);
      classes_ = room.take<T>(tile_classes_ * d);
      dots_ = room.take<T>(block_rows_ * tile_classes_);
    });
  }

  StagedRows load(size_t& next) { return device_.staging_.load(batch_, next, block_rows_, true); }

  void decide_block(const StagedRows& staged, int32_t* out) {
    const int count = static_cast<int>(staged.rows.size());
    const ScoreSamples samples = {staged.features, batch_.type, count, batch_.dim,
                                  scores_.center.empty() ? nullptr : center_};
    load_samples<T>(stream_, samples, rows_, norms_, tops_);
    for_tiles(rows_, count, [&](int first, int classes) {
      update_tops<T>(stream_, dots_, count, classes, offset_ + first, first, tops_);
    });
    NCSCOPE_CUDA_TRY(cudaMemsetAsync(unclear_count_, 0, sizeof(int), stream_));
    find_unclear<T>(stream_, tops_, norms_, count, batch_.dim, scores_.points, largest_norm_,
                    largest_offset_, unclear_, unclear_count_);
    write_places(stream_, tops_, count, places_);
    int unclear = 0;
    device_.do_copy_to_host(&unclear, unclear_count_, sizeof(unclear));
    for (int first = 0; first < unclear; first += static_cast<int>(unclear_rows_)) {
      decide_unclear(samples, unclear_ + first,
                     std::min(unclear - first, static_cast<int>(unclear_rows_)));
    }
    device_.do_copy_to_host(out, places_, static_cast<size_t>(count) * sizeof(int));
  }

  // Takes the scores of listed samples once more, to see which classes come into question.
  void decide_unclear(const ScoreSamples& samples, UnclearSample* list, int count) {
    gather_rows<T>(stream_, rows_, batch_.dim, list, count, unclear_values_);
    for_tiles(unclear_values_, count, [&](int first, int classes) {
      decide_exactly<T>(
          stream_, samples, dots_,
          scores_.rows.slice_rows(static_cast<size_t>(first), static_cast<size_t>(classes)),
          offset_ + first, first, scores_.points, list, count);
    });
    write_places(stream_, list, count, places_);
  }

  // Calls body(first class, classes) with the products of `count` rows and the classes in dots_.
  template <class Body>
  void for_tiles(const T* rows, int count, const Body& body) {
    for (size_t c0 = 0; c0 < scores_.rows.rows; c0 += tile_classes_) {
      const size_t classes = std::min(tile_classes_, scores_.rows.rows - c0);
      load_classes<T>(stream_, scores_.rows.slice_rows(c0, classes), classes_, largest_norm_);
      multiply(device_.cublas_.get(), static_cast<int64_t>(classes), count,
               static_cast<int64_t>(batch_.dim), classes_, rows, dots_);
      body(static_cast<int>(c0), static_cast<int>(classes));
    }
  }

  CudaDevice& device_;
  cudaStream_t stream_;
  const Batch& batch_;
  const AffineScores& scores_;
  size_t block_rows_;
  size_t tile_classes_;
  size_t unclear_rows_;
  double largest_offset_ = 0;
  double* offset_ = nullptr;
  double* center_ = nullptr;
  unsigned long long* largest_norm_ = nullptr;
  int* unclear_count_ = nullptr;
  T* rows_ = nullptr;  // [block_rows, d] h - center
  double* norms_ = nullptr;
  TopScores* tops_ = nullptr;
  int* places_ = nullptr;
  UnclearSample* unclear_ = nullptr;
  T* unclear_values_ = nullptr;  // [unclear_rows, d]
  T* classes_ = nullptr;         // [tile_classes, d] a_c
  T* dots_ = nullptr;            // [rows, classes]
};

std::vector<int32_t> CudaDevice::do_argmax_affine(const Batch& batch, const AffineScores& scores) {
  if (compute_type(batch.type) == DType::kFloat64) {
    return ScoreSweep<double>(*this, batch, scores).run();
  }
  return ScoreSweep<float>(*this, batch, scores).run();
}

}  // namespace ncscope::cuda
