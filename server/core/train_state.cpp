#include "server/core/train_state.h"

#include <utility>

#include "kernels/errors.h"
#include "proto/convert/statistics_file.h"

namespace ncscope::server {
namespace {

std::string shape_of(const Statistics& statistics) {
  return "K = " + std::to_string(statistics.num_classes) +
         ", d = " + std::to_string(statistics.dim);
}

}  // namespace

std::string TrainState::why_no_centers(const Statistics& split) const {
  if (!means) return missing;
  if (means->num_classes == split.num_classes && means->dim == split.dim) return "";
  return "the train split has " + shape_of(*means) + ", this one " + shape_of(split);
}

TrainState find_train_state(Services& services, const SeriesKey& key) {
  const SeriesKey train = train_of(key);
  auto record = services.reports.find_statistics(train);
  while (record && record->epoch <= key.epoch) {
    try {
      TrainState out;
      out.means = load_statistics(services.statistics_folder / record->file).statistics;
      out.means->scatter = {};
      out.epoch = record->epoch;
      out.attempt = record->attempt;
      return out;
    } catch (const Error& error) {
      // Replaced while it was read, by another attempt or epoch.
      auto newer = services.reports.find_statistics(train);
      if (newer && newer->file == record->file) {
        return {.missing = std::string("its state cannot be read: ") + error.what()};
      }
      record = std::move(newer);
    }
  }
  if (!record) return {.missing = "the train split of this layer has no report yet"};
  return {.missing = "the state of train that is kept is of a later epoch, " +
                     std::to_string(record->epoch)};
}

}  // namespace ncscope::server
