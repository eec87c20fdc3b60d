#include "kernels/cuda/tile_plan.h"

#include <array>

namespace ncscope::cuda {
namespace {

constexpr int kDigitBits = 8;
constexpr size_t kDigits = size_t{1} << kDigitBits;

int32_t label_of(uint64_t entry) { return static_cast<int32_t>(entry >> 32); }
int32_t row_of(uint64_t entry) { return static_cast<int32_t>(entry & 0xffffffffu); }

}  // namespace

// By label, stable: a radix sort, since a card can take a tile in less time than a sort by
// comparisons does.
void TilePlanner::sort(std::span<const int32_t> labels, size_t num_classes) {
  order_.resize(labels.size());
  scratch_.resize(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    order_[i] = static_cast<uint64_t>(static_cast<uint32_t>(labels[i])) << 32 | i;
  }
  for (int shift = 0; (num_classes - 1) >> shift > 0; shift += kDigitBits) {
    std::array<uint32_t, kDigits> place = {};
    const auto digit = [&](uint64_t entry) { return entry >> (32 + shift) & (kDigits - 1); };
    for (const uint64_t entry : order_) ++place[digit(entry)];
    uint32_t next = 0;
    for (uint32_t& p : place) {
      const uint32_t count = p;
      p = next;
      next += count;
    }
    for (const uint64_t entry : order_) scratch_[place[digit(entry)]++] = entry;
    order_.swap(scratch_);
  }
}

void TilePlanner::plan(std::span<const int32_t> labels, size_t num_classes,
                       std::span<const uint8_t> settled, TilePlan& out) {
  sort(labels, num_classes);
  out.rows = static_cast<int32_t>(labels.size());
  out.classes = 0;
  out.splits = 0;
  out.settles = 0;
  int32_t runs = 0;
  for (int32_t place = 0; place < out.rows; ++place) {
    const uint64_t entry = order_[static_cast<size_t>(place)];
    const int32_t label = label_of(entry);
    const bool new_class = place == 0 || label != out.label_at[place - 1];
    const bool new_group = place % kGroupRows == 0;
    if (new_group) out.first_run[place / kGroupRows] = runs;
    if (new_class) out.classes_at[out.classes++] = {label, place, 0, runs};
    if (new_class || new_group) ++runs;
    ++out.classes_at[out.classes - 1].count;
    out.row_at[place] = row_of(entry);
    out.label_at[place] = label;
  }
  for (int32_t c = 0; c < out.classes; ++c) {
    const TileClass& of = out.classes_at[c];
    if (first_group(of) != last_group(of)) out.split[out.splits++] = c;
    if (settled[static_cast<size_t>(of.label)] == 0) out.settle[out.settles++] = c;
  }
}

}  // namespace ncscope::cuda
