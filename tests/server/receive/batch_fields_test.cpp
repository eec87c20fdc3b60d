#include "server/receive/batch_fields.h"

#include <gtest/gtest.h>

#include "kernels/errors.h"
#include "server/receive/admit_batch.h"
#include "tests/server/receive/batch_messages.h"
#include "tests/server/samples.h"

namespace ncscope::testing {
namespace {

using server::find_batch;
using server::Piece;

Piece piece_of(const std::string& bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

std::string request_of(const v1::Batch& batch) {
  v1::StreamRequest request;
  *request.mutable_batch() = batch;
  return request.SerializeAsString();
}

v1::Batch full_batch() {
  v1::Batch batch = batch_of(make_samples(6, 3, 4, DType::kFloat32, 1), 300, 0, 6);
  batch.set_predictions(batch.labels());
  batch.set_sample_ids(std::string(48, 'i'));
  batch.set_crc32c(checksum_of(batch));
  return batch;
}

TEST(FindBatch, FindsWhatClientsSendWhereverItIsCut) {
  const std::string message = request_of(full_batch());
  const Piece whole = piece_of(message);
  for (size_t first = 0; first <= message.size(); ++first) {
    for (size_t second = first; second <= message.size(); second += 1 + second / 16) {
      const std::vector<Piece> pieces = {whole.first(first), whole.subspan(first, second - first),
                                         whole.subspan(second)};
      ASSERT_TRUE(find_batch(pieces)) << first << " " << second;
      ASSERT_EQ(batch_disagreement(pieces, message), "") << first << " " << second;
    }
  }
}

TEST(FindBatch, AgreesWithProtocolBuffersAboutWhatItFinds) {
  std::mt19937 random(5);
  size_t found = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string message = random_batch_message(random);
    const auto pieces = cut(message, random);
    ASSERT_EQ(batch_disagreement(pieces, message), "") << ::testing::PrintToString(message);
    found += find_batch(pieces).has_value() ? 1 : 0;
  }
  EXPECT_GT(found, 20'000u);
  EXPECT_LT(found, 180'000u);
}

TEST(FindBatch, LeavesOtherMessagesAlone) {
  v1::StreamRequest request;
  const auto finds = [](const std::string& message) {
    const Piece piece = piece_of(message);
    return find_batch(std::span(&piece, 1)).has_value();
  };
  EXPECT_FALSE(finds(request.SerializeAsString()));
  request.mutable_open()->set_rank(1);
  EXPECT_FALSE(finds(request.SerializeAsString()));
  request.mutable_close();
  EXPECT_FALSE(finds(request.SerializeAsString()));
  const std::string batch = request_of(full_batch());
  EXPECT_TRUE(finds(batch));
  EXPECT_FALSE(finds(batch + batch));  // merged, says Protocol Buffers
  EXPECT_FALSE(finds(batch + request.SerializeAsString()));
  EXPECT_FALSE(finds(batch.substr(0, batch.size() - 1)));
}

TEST(FindBatch, TheLastOfARepeatedFieldCounts) {
  v1::Batch first = full_batch(), second;
  second.set_rows(7);
  second.set_labels("other");
  const std::string inner = first.SerializeAsString() + second.SerializeAsString();
  std::string message("\x12");
  message.push_back(static_cast<char>(inner.size() | 0x80));
  message.push_back(static_cast<char>(inner.size() >> 7));
  message += inner;
  const Piece piece = piece_of(message);
  const auto found = find_batch(std::span(&piece, 1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rows, 7u);
  EXPECT_EQ(found->labels.size(), 5u);
  EXPECT_EQ(batch_disagreement({piece}, message), "");
}

TEST(AdmitBatch, SumsUpAsTheWireWantsWhereverItIsCut) {
  const v1::Batch batch = full_batch();
  const BatchSpec spec{4, 3, DType::kFloat32, LabelWidth::kInt64, false, -100};
  const std::string message = request_of(batch);
  std::mt19937 random(6);
  for (int i = 0; i < 300; ++i) {
    const auto pieces = cut(message, random);
    const auto in = server::admit_batch(*find_batch(pieces), spec, new_batch_memory);
    ASSERT_FALSE(in.refusal);
    EXPECT_EQ(in.checksum, batch.crc32c());
    EXPECT_EQ(in.sequence, 300u);
    EXPECT_EQ(in.bytes, 48u + 48 + 48 + 72);
    EXPECT_EQ(in.sample_ids, std::vector<uint64_t>(6, 0x6969696969696969u));
    const Batch view = in.admitted()->view();
    EXPECT_EQ(std::string(static_cast<const char*>(view.features), 72), batch.features());
    EXPECT_NE(view.predictions, nullptr);
  }
}

TEST(AdmitBatch, SumsUpWhatItRefusesToo) {
  const BatchSpec spec{4, 3, DType::kFloat32, LabelWidth::kInt64, false, -100};
  const auto refused = [&](auto spoil) {
    v1::Batch batch = full_batch();
    spoil(batch);
    std::array<Piece, 4> pieces;
    const auto fields = server::fields_of(batch, pieces);
    const auto in = server::admit_batch(fields, spec, new_batch_memory);
    EXPECT_TRUE(in.refusal);
    EXPECT_EQ(in.samples, nullptr);
    EXPECT_THROW(in.admitted(), InvalidArgument);
    EXPECT_EQ(in.checksum, checksum_of(batch));
  };
  refused([](v1::Batch& b) { b.set_rows(0); });
  refused([](v1::Batch& b) { b.set_rows(5); });
  refused([](v1::Batch& b) { b.mutable_features()->pop_back(); });
  refused([](v1::Batch& b) { b.mutable_sample_ids()->pop_back(); });
  refused([](v1::Batch& b) { b.set_labels(std::string(48, '\x7f')); });
  refused([](v1::Batch& b) { b.set_features(std::string(72, '\xff')); });
}

TEST(AdmitBatch, SaysWhenThereIsNoMemory) {
  const v1::Batch batch = full_batch();
  const BatchSpec spec{4, 3, DType::kFloat32, LabelWidth::kInt64, false, -100};
  std::array<Piece, 4> pieces;
  const auto in = server::admit_batch(server::fields_of(batch, pieces), spec,
                                      [](size_t) -> BatchMemory { throw OutOfMemory("none"); });
  EXPECT_THROW(in.admitted(), OutOfMemory);
  EXPECT_EQ(in.checksum, batch.crc32c());
}

// Of the batch, and of a field within it: Protocol Buffers takes up to five bytes.
TEST(FindBatch, LengthsOfMoreBytesThanNeeded) {
  for (size_t more = 0; more < 11; ++more) {
    std::string length(more, '\x80');
    length += '\0';
    const std::string inner = "\x7a" + length;
    for (const std::string& message :
         {"\x12" + length, "\x12" + std::string(1, static_cast<char>(inner.size())) + inner}) {
      const std::vector<Piece> pieces = {std::as_bytes(std::span(message))};
      EXPECT_EQ(batch_disagreement(pieces, message), "") << more;
    }
  }
}

}  // namespace
}  // namespace ncscope::testing
