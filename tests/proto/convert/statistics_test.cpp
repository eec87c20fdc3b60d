#include "proto/convert/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "tests/proto/convert/sample_bundle.h"

namespace ncscope {
namespace {

using Block = v1::StatisticsBlock;

struct Messages {
  v1::StatisticsHeader header;
  std::vector<Block> blocks;
};

Messages messages_of(const StatisticsBundle& bundle) {
  Messages messages;
  write_statistics(
      bundle, [&](const v1::StatisticsHeader& header) { messages.header = header; },
      [&](const Block& block) { messages.blocks.push_back(block); });
  return messages;
}

StatisticsBundle read(const Messages& messages) {
  StatisticsReader reader(messages.header);
  for (const Block& block : messages.blocks) reader.add(block);
  return reader.finish();
}

TEST(StatisticsMessages, CarryEveryPartToTheBit) {
  const StatisticsBundle bundle = sample_bundle();
  const StatisticsBundle back = read(messages_of(bundle));
  EXPECT_EQ(back.key.run(), "digits");
  EXPECT_EQ(back.key.epoch(), 7u);
  const Statistics& a = bundle.statistics;
  const Statistics& b = back.statistics;
  EXPECT_EQ(a.num_classes, b.num_classes);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.input_type, b.input_type);
  EXPECT_EQ(a.product_type, b.product_type);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.skipped_nonfinite, b.skipped_nonfinite);
  EXPECT_EQ(a.ignored, b.ignored);
  EXPECT_EQ(a.sum_squares, b.sum_squares);
  EXPECT_EQ(a.scatter_resolution, b.scatter_resolution);
  EXPECT_EQ(a.classes, b.classes);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_EQ(a.means, b.means);
  EXPECT_EQ(a.within, b.within);
  EXPECT_EQ(a.scatter, b.scatter);
  ASSERT_TRUE(back.classifier);
  EXPECT_EQ(back.classifier->weight, bundle.classifier->weight);
  EXPECT_EQ(back.classifier->bias, bundle.classifier->bias);
}

TEST(StatisticsMessages, CarryDecisions) {
  EXPECT_FALSE(read(messages_of(sample_bundle())).decisions);
  StatisticsBundle bundle = decided_bundle();
  for (const bool with_classifier : {true, false}) {
    if (!with_classifier) bundle.classifier.reset();
    const Messages messages = messages_of(bundle);
    EXPECT_EQ(messages.header.decisions().centers_epoch(), 6u);
    const StatisticsBundle back = read(messages);
    ASSERT_TRUE(back.decisions);
    EXPECT_EQ(back.classifier.has_value(), with_classifier);
    EXPECT_EQ(back.decisions->centers_epoch, 6u);
    EXPECT_EQ(back.decisions->agreement, bundle.decisions->agreement);
    EXPECT_EQ(back.decisions->ncc_correct, bundle.decisions->ncc_correct);
    EXPECT_EQ(back.decisions->classifier_correct, bundle.decisions->classifier_correct);
  }
}

TEST(StatisticsMessages, RefuseDecisionsThatAreNotOfTheState) {
  StatisticsBundle bundle = decided_bundle();
  Messages unannounced = messages_of(bundle);
  unannounced.header.clear_decisions();
  EXPECT_THROW(read(unannounced), InvalidArgument);
  Messages announced = messages_of(sample_bundle());
  announced.header.mutable_decisions();
  EXPECT_THROW(read(announced), InvalidArgument);
  bundle.decisions->ncc_correct = {3};
  EXPECT_THROW(read(messages_of(bundle)), InvalidArgument);
  bundle.decisions->ncc_correct = {3, 0, 0};
  EXPECT_THROW(read(messages_of(bundle)), InvalidArgument);
  bundle.decisions->ncc_correct = {3, 4};
  EXPECT_THROW(read(messages_of(bundle)), InvalidArgument);
}

TEST(StatisticsMessages, CutDecisionsOfManyClassesIntoBlocks) {
  constexpr size_t kClasses = 250'000;
  StatisticsBundle bundle;
  Statistics& s = bundle.statistics;
  s = Statistics::empty(kClasses, 1, DType::kFloat64);
  s.samples = 2 * kClasses;
  s.classes.resize(kClasses);
  std::iota(s.classes.begin(), s.classes.end(), 0);
  s.counts.assign(kClasses, 2);
  s.means.assign(kClasses, 1.0);
  s.within.assign(kClasses, 0.0);
  std::vector<uint64_t> counts(kClasses, 1);
  counts.back() = 2;
  bundle.decisions = CountedDecisions{0, counts, counts, counts};
  const Messages messages = messages_of(bundle);
  size_t blocks = 0;
  for (const Block& block : messages.blocks) {
    EXPECT_LE(block.data().size(), size_t{1} << 20);
    blocks += block.array() == Block::ARRAY_NEAREST_CORRECT;
  }
  EXPECT_EQ(blocks, 2u);
  EXPECT_EQ(read(messages).decisions->ncc_correct, counts);
}

TEST(StatisticsMessages, CutLargeArraysIntoBlocksOfOneMebibyte) {
  StatisticsBundle bundle = sample_bundle();
  Statistics& s = bundle.statistics;
  s.dim = 700;
  s.means.assign(2 * 700, 0.5);
  s.scatter.assign(700 * 700, 0.0);
  for (size_t i = 0; i < 700; ++i) {
    for (size_t j = 0; j < 700; ++j) s.scatter[i * 700 + j] = i == j ? 2.0 + i : 1e-3 * (i + j);
  }
  bundle.classifier.reset();
  const Messages messages = messages_of(bundle);
  size_t scatter_blocks = 0;
  for (const Block& block : messages.blocks) {
    EXPECT_LE(block.data().size(), size_t{1} << 20);
    scatter_blocks += block.array() == Block::ARRAY_SCATTER;
  }
  EXPECT_EQ(scatter_blocks, 2u);
  EXPECT_EQ(read(messages).statistics.scatter, s.scatter);
}

TEST(StatisticsMessages, WithoutSamplesAreAState) {
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(4, 2, DType::kFloat32);
  const StatisticsBundle back = read(messages_of(bundle));
  EXPECT_EQ(back.statistics.samples, 0u);
  EXPECT_EQ(back.statistics.present(), 0u);
  EXPECT_FALSE(back.classifier);
}

TEST(StatisticsMessages, RefuseAnyBlockThatIsMissingRepeatedOrOutOfOrder) {
  const Messages whole = messages_of(decided_bundle());
  for (size_t i = 0; i < whole.blocks.size(); ++i) {
    Messages missing = whole;
    missing.blocks.erase(missing.blocks.begin() + static_cast<long>(i));
    EXPECT_THROW(read(missing), InvalidArgument) << i;
    Messages repeated = whole;
    repeated.blocks.insert(repeated.blocks.begin() + static_cast<long>(i), whole.blocks[i]);
    EXPECT_THROW(read(repeated), InvalidArgument) << i;
    Messages shifted = whole;
    shifted.blocks[i].set_offset(1);
    EXPECT_THROW(read(shifted), InvalidArgument) << i;
  }
}

TEST(StatisticsMessages, RefuseAnAlteredByte) {
  const Messages whole = messages_of(decided_bundle());
  for (size_t i = 0; i < whole.blocks.size(); ++i) {
    Messages altered = whole;
    altered.blocks[i].mutable_data()->at(0) ^= 1;
    EXPECT_THROW(read(altered), DataLoss) << i;
  }
}

TEST(StatisticsMessages, RefuseShapesThatNoStateHas) {
  const v1::StatisticsHeader good = messages_of(sample_bundle()).header;
  const auto refused = [&](auto change) {
    v1::StatisticsHeader header = good;
    change(header);
    EXPECT_THROW(StatisticsReader{header}, InvalidArgument) << header.ShortDebugString();
  };
  refused([](auto& h) { h.set_layout_version(2); });
  refused([](auto& h) { h.set_num_classes(0); });
  refused([](auto& h) { h.set_dim(0); });
  refused([](auto& h) { h.set_present_classes(6); });
  refused([](auto& h) { h.set_input_type(v1::DATA_TYPE_UNSPECIFIED); });
  refused([](auto& h) { h.set_product_type(static_cast<v1::DataType>(99)); });
  refused([](auto& h) {
    h.set_num_classes(0xffffffff);
    h.set_dim(0xffffffff);
  });
}

TEST(StatisticsMessages, RefuseContentThatNoSamplesGive) {
  const Messages whole = messages_of(sample_bundle());
  const auto refused = [&](Block::Array array, auto value, size_t index) {
    Messages altered = whole;
    for (Block& block : altered.blocks) {
      if (block.array() != array) continue;
      std::string& data = *block.mutable_data();
      data.replace(index * sizeof(value), sizeof(value), reinterpret_cast<const char*>(&value),
                   sizeof(value));
      block.set_crc32c(crc32c(data.data(), data.size()));
    }
    EXPECT_THROW(read(altered), InvalidArgument) << Block::Array_Name(array);
  };
  refused(Block::ARRAY_CLASSES, uint32_t{5}, 1);  // beyond K
  refused(Block::ARRAY_CLASSES, uint32_t{1}, 1);  // twice
  refused(Block::ARRAY_COUNTS, uint64_t{0}, 0);   // a present class without samples
  refused(Block::ARRAY_COUNTS, uint64_t{99}, 0);  // not N in all
  refused(Block::ARRAY_MEANS, std::nan(""), 2);   // not finite
  refused(Block::ARRAY_WITHIN, -1.0, 0);          // negative sum of squares
  refused(Block::ARRAY_SCATTER, -1.0, 0);         // negative sum of squares
  refused(Block::ARRAY_CLASSIFIER_WEIGHT, std::nan(""), 0);
}

}  // namespace
}  // namespace ncscope
