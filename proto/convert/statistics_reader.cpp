#include <cstring>
#include <string>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "proto/convert/statistics.h"
#include "proto/convert/types.h"

namespace ncscope {
namespace {

using Block = v1::StatisticsBlock;

// Shapes beyond this cannot be addressed by a state that fits any memory.
constexpr uint64_t kMaxElements = uint64_t{1} << 40;

size_t elements(const char* name, uint64_t rows, uint64_t cols) {
  if (cols != 0 && rows > kMaxElements / cols) {
    throw InvalidArgument(std::string("statistics: ") + name + " of " + std::to_string(rows) +
                          " x " + std::to_string(cols) + " elements is larger than any state");
  }
  return rows * cols;
}

size_t element_bytes(int array) { return array == Block::ARRAY_CLASSES ? 4 : 8; }

template <class T>
void append(std::vector<T>& out, const std::string& data) {
  const size_t count = data.size() / sizeof(T);
  const size_t before = out.size();
  out.resize(before + count);
  std::memcpy(out.data() + before, data.data(), count * sizeof(T));
}

// [d, d] from the upper triangle, row by row.
std::vector<double> symmetric_from_triangle(const std::vector<double>& triangle, size_t d) {
  std::vector<double> full(d * d);
  size_t next = 0;
  for (size_t row = 0; row < d; ++row) {
    for (size_t col = row; col < d; ++col) {
      full[row * d + col] = full[col * d + row] = triangle[next++];
    }
  }
  return full;
}

}  // namespace

StatisticsReader::StatisticsReader(const v1::StatisticsHeader& header)
    : header_(header), arrays_(Block::Array_ARRAYSIZE) {
  if (header.layout_version() != kStatisticsLayoutVersion) {
    throw InvalidArgument("statistics: expected layout version " +
                          std::to_string(kStatisticsLayoutVersion) + ", got " +
                          std::to_string(header.layout_version()));
  }
  const uint64_t classes = header.num_classes();
  const uint64_t present = header.present_classes();
  const uint64_t dim = header.dim();
  if (classes == 0 || dim == 0 || present > classes) {
    throw InvalidArgument(
        "statistics: expected K >= 1, d >= 1 and P <= K, got K = " + std::to_string(classes) +
        ", d = " + std::to_string(dim) + ", P = " + std::to_string(present));
  }
  state(Block::ARRAY_CLASSES).expected = present;
  state(Block::ARRAY_COUNTS).expected = present;
  state(Block::ARRAY_MEANS).expected = elements("means", present, dim);
  state(Block::ARRAY_WITHIN).expected = present;
  state(Block::ARRAY_SCATTER).expected = elements("scatter", dim, dim + 1) / 2;
  if (header.has_classifier()) {
    state(Block::ARRAY_CLASSIFIER_WEIGHT).expected = elements("classifier", classes, dim);
    if (header.has_classifier_bias()) state(Block::ARRAY_CLASSIFIER_BIAS).expected = classes;
  }
  if (header.has_decisions()) {
    state(Block::ARRAY_AGREEMENTS).expected = present;
    state(Block::ARRAY_NEAREST_CORRECT).expected = present;
    state(Block::ARRAY_CLASSIFIER_CORRECT).expected = present;
    bundle_.decisions.emplace().centers_epoch = header.decisions().centers_epoch();
  }
  Statistics& statistics = bundle_.statistics;
  bundle_.key = header.key();
  statistics.num_classes = classes;
  statistics.dim = dim;
  statistics.input_type = from_proto(header.input_type());
  statistics.product_type = header.product_type() == v1::DATA_TYPE_UNSPECIFIED
                                ? compute_type(statistics.input_type)
                                : from_proto(header.product_type());
  statistics.samples = header.samples();
  statistics.skipped_nonfinite = header.skipped_nonfinite();
  statistics.ignored = header.ignored();
  statistics.sum_squares = header.sum_squares();
  statistics.scatter_resolution = header.scatter_resolution();
}

void StatisticsReader::add(const v1::StatisticsBlock& block) {
  const int array = block.array();
  if (!Block::Array_IsValid(array) || array == Block::ARRAY_UNSPECIFIED) {
    throw InvalidArgument("statistics: block of unknown array " + std::to_string(array));
  }
  const std::string name = Block::Array_Name(block.array());
  ArrayState& progress = state(array);
  const size_t width = element_bytes(array);
  const size_t count = block.data().size() / width;
  if (block.data().empty() || block.data().size() % width != 0) {
    throw InvalidArgument("statistics: expected a multiple of " + std::to_string(width) +
                          " bytes in a block of " + name + ", got " +
                          std::to_string(block.data().size()));
  }
  if (block.offset() != progress.received || count > progress.expected - progress.received) {
    throw InvalidArgument("statistics: expected elements [" + std::to_string(progress.received) +
                          ", " + std::to_string(progress.expected) + ") of " + name + ", got " +
                          std::to_string(count) + " at " + std::to_string(block.offset()));
  }
  if (crc32c(block.data().data(), block.data().size()) != block.crc32c()) {
    throw DataLoss("statistics: checksum of " + name + " at " + std::to_string(block.offset()) +
                   " does not match");
  }
  switch (block.array()) {
    case Block::ARRAY_CLASSES:
      append(bundle_.statistics.classes, block.data());
      break;
    case Block::ARRAY_COUNTS:
      append(bundle_.statistics.counts, block.data());
      break;
    case Block::ARRAY_MEANS:
      append(bundle_.statistics.means, block.data());
      break;
    case Block::ARRAY_WITHIN:
      append(bundle_.statistics.within, block.data());
      break;
    case Block::ARRAY_SCATTER:
      append(triangle_, block.data());
      break;
    case Block::ARRAY_CLASSIFIER_WEIGHT:
      append(weight_, block.data());
      break;
    case Block::ARRAY_CLASSIFIER_BIAS:
      append(bias_, block.data());
      break;
    case Block::ARRAY_AGREEMENTS:
      append(bundle_.decisions->agreement, block.data());
      break;
    case Block::ARRAY_NEAREST_CORRECT:
      append(bundle_.decisions->ncc_correct, block.data());
      break;
    default:
      append(bundle_.decisions->classifier_correct, block.data());
      break;
  }
  progress.received += count;
}

StatisticsBundle StatisticsReader::finish() {
  for (size_t array = 1; array < arrays_.size(); ++array) {
    if (arrays_[array].received != arrays_[array].expected) {
      throw InvalidArgument("statistics: expected " + std::to_string(arrays_[array].expected) +
                            " elements of " + Block::Array_Name(static_cast<Block::Array>(array)) +
                            ", got " + std::to_string(arrays_[array].received));
    }
  }
  Statistics& statistics = bundle_.statistics;
  statistics.scatter = symmetric_from_triangle(triangle_, statistics.dim);
  triangle_ = {};
  if (!header_.has_scatter_resolution()) {
    double trace = 0;
    for (size_t j = 0; j < statistics.dim; ++j) trace += statistics.scatter[j * statistics.dim + j];
    statistics.scatter_resolution = dtype_epsilon(statistics.product_type) / 2 * trace;
  }
  statistics.check();
  if (header_.has_classifier()) {
    bundle_.classifier =
        Classifier{statistics.num_classes, statistics.dim, std::move(weight_), std::move(bias_)};
    bundle_.classifier->check();
  }
  if (bundle_.decisions) bundle_.decisions->check(statistics);
  return std::move(bundle_);
}

}  // namespace ncscope
