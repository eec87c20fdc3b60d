#include "server/core/train_state.h"

#include <filesystem>
#include <utility>

#include "proto/convert/statistics_file.h"
#include "server/core/errors.h"

namespace ncscope::server {
namespace {

std::string shape_of(const Statistics& statistics) {
  return "K = " + std::to_string(statistics.num_classes) +
         ", d = " + std::to_string(statistics.dim);
}

// Whether no later try can read it.
bool is_damaged(const std::filesystem::path& path, const Error& error) {
  std::error_code unknown;
  const bool gone = !std::filesystem::exists(path, unknown) && !unknown;
  return gone || dynamic_cast<const DataLoss*>(&error) != nullptr;
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
    const auto path = services.statistics_folder / record->file;
    try {
      TrainState out;
      out.means = load_statistics(path).statistics;
      out.means->scatter = {};
      out.epoch = record->epoch;
      out.attempt = record->attempt;
      return out;
    } catch (const Error& error) {
      // Replaced while it was read, by another attempt or epoch.
      auto newer = services.reports.find_statistics(train);
      if (newer && newer->file == record->file) {
        const std::string why = std::string("its state cannot be read: ") + error.what();
        if (is_damaged(path, error)) return {.missing = why};
        throw ResourceExhausted("of train, " + why + "; close again to retry");
      }
      record = std::move(newer);
    }
  }
  if (!record) return {.missing = "the train split of this layer has no report yet"};
  return {.missing = "the state of train that is kept is of a later epoch, " +
                     std::to_string(record->epoch)};
}

}  // namespace ncscope::server
