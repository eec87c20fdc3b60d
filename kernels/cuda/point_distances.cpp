// CudaDevice: the distance of each row of a batch from a point of its own.
#include <algorithm>

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/scores.h"
#include "kernels/cuda/workspace.h"

namespace ncscope::cuda {

std::vector<double> CudaDevice::do_point_distances(const Batch& batch, const RowPoints& points) {
  const size_t block_rows = std::min(
      {batch.rows, tuning_.score_rows, staging_.rows_per_slot(batch.dim * dtype_size(batch.type))});
  double* center = nullptr;
  int* places = nullptr;
  double* distances = nullptr;
  Workspace room(memory_, score_workspace_);
  room.lay_out([&] {
    center = room.take<double>(points.center.size());
    places = room.take<int>(batch.rows);
    distances = room.take<double>(batch.rows);
  });
  do_copy_to_device(places, points.places.data(), points.places.size_bytes());
  if (!points.center.empty()) {
    do_copy_to_device(center, points.center.data(), points.center.size_bytes());
  }
  std::vector<double> out(batch.rows);
  finish_or_wait([&] {
    size_t next = 0;
    StagedRows staged = staging_.load(batch, next, block_rows, true);
    while (!staged.rows.empty()) {
      StagedRows after = staging_.load(batch, next, block_rows, true);
      staging_.wait_for(staged, stream_.get());
      const size_t first = staged.rows.front();
      const ScoreSamples samples = {staged.features, batch.type,
                                    static_cast<int>(staged.rows.size()), batch.dim,
                                    points.center.empty() ? nullptr : center};
      take_distances(stream_.get(), samples, points.points, places + first, distances + first);
      staging_.release(staged, stream_.get());
      staged = std::move(after);
    }
    staging_.finish_copies();
    do_copy_to_host(out.data(), distances, out.size() * sizeof(double));
  });
  return out;
}

}  // namespace ncscope::cuda
