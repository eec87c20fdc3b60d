#include "proto/convert/statistics.h"

#include <algorithm>
#include <bit>
#include <span>

#include "kernels/report.h"
#include "proto/convert/crc32c.h"
#include "proto/convert/types.h"

namespace ncscope {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are little-endian");

constexpr size_t kBlockBytes = size_t{1} << 20;

using BlockSink = std::function<void(const v1::StatisticsBlock&)>;

// Sends runs of one array, which may come in pieces (rows of a triangle), as full blocks.
class BlockWriter {
 public:
  BlockWriter(v1::StatisticsBlock::Array array, size_t element_bytes, const BlockSink& sink)
      : sink_(sink), element_bytes_(element_bytes) {
    block_.set_array(array);
  }

  template <class T>
  void write(std::span<const T> values) {
    const size_t capacity = kBlockBytes / sizeof(T);
    while (!values.empty()) {
      std::string& data = *block_.mutable_data();
      const size_t room = capacity - data.size() / sizeof(T);
      const size_t count = std::min(room, values.size());
      data.append(reinterpret_cast<const char*>(values.data()), count * sizeof(T));
      values = values.subspan(count);
      if (data.size() == capacity * sizeof(T)) flush();
    }
  }

  void flush() {
    if (block_.data().empty()) return;
    const size_t elements = block_.data().size() / element_bytes_;
    block_.set_offset(offset_);
    block_.set_crc32c(crc32c(block_.data().data(), block_.data().size()));
    sink_(block_);
    offset_ += elements;
    block_.mutable_data()->clear();
  }

 private:
  const BlockSink& sink_;
  size_t element_bytes_;
  uint64_t offset_ = 0;
  v1::StatisticsBlock block_;
};

template <class T>
void write_array(v1::StatisticsBlock::Array array, const std::vector<T>& values,
                 const BlockSink& sink) {
  BlockWriter writer(array, sizeof(T), sink);
  writer.write(std::span<const T>(values));
  writer.flush();
}

void write_triangle(const Statistics& statistics, const BlockSink& sink) {
  BlockWriter writer(v1::StatisticsBlock::ARRAY_SCATTER, sizeof(double), sink);
  const size_t d = statistics.dim;
  for (size_t row = 0; row < d; ++row) {
    writer.write(std::span<const double>(statistics.scatter).subspan(row * d + row, d - row));
  }
  writer.flush();
}

v1::StatisticsHeader make_header(const StatisticsBundle& bundle) {
  const Statistics& statistics = bundle.statistics;
  v1::StatisticsHeader header;
  header.set_layout_version(kStatisticsLayoutVersion);
  header.set_definitions_version(kDefinitionsVersion);
  *header.mutable_key() = bundle.key;
  header.set_num_classes(static_cast<uint32_t>(statistics.num_classes));
  header.set_present_classes(static_cast<uint32_t>(statistics.present()));
  header.set_dim(static_cast<uint32_t>(statistics.dim));
  header.set_samples(statistics.samples);
  header.set_input_type(to_proto(statistics.input_type));
  header.set_product_type(to_proto(statistics.product_type));
  header.set_skipped_nonfinite(statistics.skipped_nonfinite);
  header.set_ignored(statistics.ignored);
  header.set_has_classifier(bundle.classifier.has_value());
  header.set_has_classifier_bias(bundle.classifier && !bundle.classifier->bias.empty());
  header.set_sum_squares(statistics.sum_squares);
  header.set_scatter_resolution(statistics.scatter_resolution);
  if (bundle.decisions) {
    header.mutable_decisions()->set_centers_epoch(bundle.decisions->centers_epoch);
  }
  return header;
}

}  // namespace

void write_statistics(const StatisticsBundle& bundle,
                      const std::function<void(const v1::StatisticsHeader&)>& header,
                      const BlockSink& block) {
  const Statistics& statistics = bundle.statistics;
  header(make_header(bundle));
  write_array(v1::StatisticsBlock::ARRAY_CLASSES, statistics.classes, block);
  write_array(v1::StatisticsBlock::ARRAY_COUNTS, statistics.counts, block);
  write_array(v1::StatisticsBlock::ARRAY_MEANS, statistics.means, block);
  write_array(v1::StatisticsBlock::ARRAY_WITHIN, statistics.within, block);
  write_triangle(statistics, block);
  if (const auto& classifier = bundle.classifier) {
    write_array(v1::StatisticsBlock::ARRAY_CLASSIFIER_WEIGHT, classifier->weight, block);
    write_array(v1::StatisticsBlock::ARRAY_CLASSIFIER_BIAS, classifier->bias, block);
  }
  if (const auto& decisions = bundle.decisions) {
    write_array(v1::StatisticsBlock::ARRAY_AGREEMENTS, decisions->agreement, block);
    write_array(v1::StatisticsBlock::ARRAY_NEAREST_CORRECT, decisions->ncc_correct, block);
    write_array(v1::StatisticsBlock::ARRAY_CLASSIFIER_CORRECT, decisions->classifier_correct,
                block);
  }
}

}  // namespace ncscope
