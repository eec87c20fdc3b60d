// NC4 of a Series that is complete: by a second look at its samples, or as its ranks counted it.
#include <algorithm>

#include "kernels/decisions.h"
#include "server/core/series.h"

namespace ncscope::server {
namespace {

void add_counts(const std::vector<uint32_t>& classes, const std::vector<uint64_t>& from,
                std::vector<uint64_t>& to) {
  for (size_t p = 0; p < classes.size(); ++p) to[classes[p]] += from[p];
}

}  // namespace

uint32_t Series::sample_level() {
  uint32_t level = 0;
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    level = std::max(level, rank_at(index).samples.level());
  }
  return level;
}

DecisionCounts Series::count_decisions(Device& device, const Statistics& centers,
                                       const Classifier* classifier) {
  // All batches count alike: where one rank has a sample only, it is that of all.
  const uint32_t level = sample_level();
  DecisionCounter counter(device, centers, classifier);
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    rank_at(index).samples.for_each(level, [&](const Batch& batch) { counter.add(device, batch); });
  }
  return counter.counts();
}

Series::StateDecisions Series::state_decisions() {
  StateDecisions out;
  std::optional<uint32_t> decided;   // the first rank with decisions
  std::optional<uint32_t> streamed;  // one whose samples have come
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    const Rank& rank = rank_at(index);
    if (!rank.state_digest) {
      if (rank.next_sequence() > 0) streamed = index;
      continue;
    }
    out.needed = true;
    if (!rank.decisions) {
      out.missing = "some ranks contributed a merged state, which holds no samples to decide about";
      return out;
    }
    const uint32_t epoch = rank.decisions->counts.centers_epoch;
    if (!decided) {
      decided = index;
      out.centers_epoch = epoch;
    } else if (epoch != out.centers_epoch && out.missing.empty()) {
      out.missing = "ranks decided against the class means of different epochs: rank " +
                    std::to_string(*decided) + " of epoch " + std::to_string(out.centers_epoch) +
                    ", rank " + std::to_string(index) + " of epoch " + std::to_string(epoch);
    }
  }
  if (decided && streamed && out.missing.empty()) {
    out.missing = "rank " + std::to_string(*streamed) + " streamed its samples, rank " +
                  std::to_string(*decided) +
                  " decided about its own against the class means of epoch " +
                  std::to_string(out.centers_epoch);
  }
  if (!out.needed || !out.missing.empty()) return out;
  // No count is beyond that of the samples, whose sum has been checked.
  DecisionCounts& counts = out.counts.emplace();
  counts.source = DecisionCounts::Source::kCounted;
  counts.centers = static_cast<uint32_t>(spec_.num_classes);
  for (auto* column :
       {&counts.samples, &counts.agreement, &counts.ncc_correct, &counts.classifier_correct}) {
    column->assign(spec_.num_classes, 0);
  }
  add_counts(merged_->classes, merged_->counts, counts.samples);
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    const auto& rank = rank_at(index).decisions;
    if (!rank) continue;
    add_counts(rank->classes, rank->counts.agreement, counts.agreement);
    add_counts(rank->classes, rank->counts.ncc_correct, counts.ncc_correct);
    add_counts(rank->classes, rank->counts.classifier_correct, counts.classifier_correct);
  }
  return out;
}

}  // namespace ncscope::server
