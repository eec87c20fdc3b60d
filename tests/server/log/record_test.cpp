#include "server/log/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "kernels/errors.h"

namespace ncscope::testing {
namespace {

using namespace ncscope::server;  // NOLINT: everything here is of it

// A body in one piece, aligned as readers have it.
std::vector<uint64_t> joined(const BodyParts& parts, size_t& bytes) {
  bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  std::vector<uint64_t> out((bytes + 7) / 8);
  auto* next = reinterpret_cast<std::byte*>(out.data());
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(next, part.data(), part.size());
    next += part.size();
  }
  return out;
}

std::span<const std::byte> view(const std::vector<uint64_t>& body, size_t bytes) {
  return {reinterpret_cast<const std::byte*>(body.data()), bytes};
}

TEST(Record, BatchesComeBackAsTheyWere) {
  const std::vector<int32_t> labels = {2, kDroppedRow, 0};
  const std::vector<int32_t> predictions = {1, 1, 0};
  const std::vector<uint64_t> ids = {7, 8, 9};
  const std::vector<uint16_t> features = {1, 2, 3, 4, 5, 6};
  for (const bool with_predictions : {false, true}) {
    for (const bool with_ids : {false, true}) {
      BatchRecord in{41, 0xdeadbeef, {3, 4}, 5, {}, {}};
      in.batch = {features.data(),
                  DType::kBFloat16,
                  3,
                  2,
                  labels.data(),
                  with_predictions ? predictions.data() : nullptr};
      if (with_ids) in.sample_ids = ids;
      const BatchBody body(in);
      size_t bytes = 0;
      const auto whole = joined(body.parts(), bytes);
      const BatchRecord out = parse_batch(view(whole, bytes), DType::kBFloat16, 2);
      EXPECT_EQ(out.sequence, 41u);
      EXPECT_EQ(out.checksum, 0xdeadbeef);
      EXPECT_EQ(out.dropped.nonfinite, 3u);
      EXPECT_EQ(out.dropped.ignored, 4u);
      EXPECT_EQ(out.duplicates, 5u);
      ASSERT_EQ(out.batch.rows, 3u);
      EXPECT_EQ(out.batch.dim, 2u);
      EXPECT_EQ(std::memcmp(out.batch.labels, labels.data(), 12), 0);
      EXPECT_EQ(std::memcmp(out.batch.features, features.data(), 12), 0);
      ASSERT_EQ(out.batch.predictions != nullptr, with_predictions);
      if (with_predictions) {
        EXPECT_EQ(std::memcmp(out.batch.predictions, predictions.data(), 12), 0);
      }
      ASSERT_EQ(out.sample_ids.size(), with_ids ? 3u : 0u);
      if (with_ids) {
        EXPECT_EQ(out.sample_ids[2], 9u);
      }
      // Of another shape it is refused, whatever its length.
      EXPECT_THROW(parse_batch(view(whole, bytes), DType::kBFloat16, 3), DataLoss);
      EXPECT_THROW(parse_batch(view(whole, bytes), DType::kFloat32, 2), DataLoss);
      for (size_t cut = 0; cut < bytes; ++cut) {
        EXPECT_THROW(parse_batch(view(whole, cut), DType::kBFloat16, 2), DataLoss) << cut;
      }
    }
  }
}

TEST(Record, CheckpointsComeBackAsTheyWere) {
  const std::vector<uint64_t> ids = {7, 8, 9};
  const std::vector<uint32_t> checksums = {1, 2, 3, 4, 5};
  const std::vector<uint64_t> image = {10, 11};
  for (const size_t batches : {0u, 1u, 4u, 5u}) {
    CheckpointRecord in;
    in.duplicates = 6;
    in.has_predictions = batches % 2 == 0;
    in.checksums = std::span(checksums).first(batches);
    in.sample_ids = std::span(ids).first(batches == 0 ? 0 : 3);
    in.sample_level = 3;
    const CheckpointBody body(in);
    BodyParts parts = body.parts();
    parts.push_back(std::as_bytes(std::span(image)));
    size_t bytes = 0;
    const auto whole = joined(parts, bytes);
    const auto read = [&](size_t size) {
      return read_checkpoint(size, [&](uint64_t offset, void* out, size_t part) {
        EXPECT_LE(offset + part, size);
        if (part > 0) std::memcpy(out, view(whole, bytes).data() + offset, part);
      });
    };
    const ReadCheckpoint out = read(bytes);
    EXPECT_EQ(out.duplicates, 6u);
    EXPECT_EQ(out.sample_level, 3u);
    EXPECT_EQ(out.has_predictions, in.has_predictions);
    EXPECT_TRUE(std::ranges::equal(out.checksums, in.checksums));
    EXPECT_TRUE(std::ranges::equal(out.sample_ids, in.sample_ids));
    EXPECT_EQ(out.image_offset, bytes - 16);
    for (size_t cut = 0; cut < bytes - 16; ++cut) EXPECT_THROW(read(cut), DataLoss) << cut;
  }
}

TEST(Record, ALevelBeyondAllBatchesIsRefused) {
  CheckpointRecord in;
  in.sample_level = 64;
  const CheckpointBody body(in);
  size_t bytes = 0;
  const auto whole = joined(body.parts(), bytes);
  EXPECT_THROW(read_checkpoint(bytes,
                               [&](uint64_t offset, void* out, size_t part) {
                                 std::memcpy(out, view(whole, bytes).data() + offset, part);
                               }),
               DataLoss);
}

TEST(Record, SmallOnesComeBackAsTheyWere) {
  const std::vector<double> values = {1.5, -2};
  size_t bytes = 0;
  {
    const ClassifierBody body({ClassifierArray::kBias, true, values});
    const auto whole = joined(body.parts(), bytes);
    const ClassifierRecord out = parse_classifier(view(whole, bytes));
    EXPECT_EQ(out.array, ClassifierArray::kBias);
    EXPECT_TRUE(out.drops_bias);
    EXPECT_EQ(std::vector<double>(out.values.begin(), out.values.end()), values);
    EXPECT_THROW(parse_classifier(view(whole, bytes - 1)), DataLoss);
    EXPECT_THROW(parse_classifier(view(whole, 15)), DataLoss);
  }
  {
    const SmallBody body(CloseRecord{12, true});
    const auto whole = joined(body.parts(), bytes);
    EXPECT_EQ(parse_close(view(whole, bytes)).batches, 12u);
    EXPECT_TRUE(parse_close(view(whole, bytes)).partial);
    EXPECT_THROW(parse_close(view(whole, 8)), DataLoss);
  }
  const SmallBody body(StateRecord{99});
  const auto whole = joined(body.parts(), bytes);
  EXPECT_EQ(parse_state(view(whole, bytes)).digest, 99u);
}

TEST(Record, AnyBitOfAHeaderCounts) {
  const std::vector<uint64_t> body = {1, 2, 3};
  const RecordHeader header = make_header(RecordType::kClose, {std::as_bytes(std::span(body))});
  EXPECT_EQ(check_header(header), RecordType::kClose);
  EXPECT_EQ(header.body_bytes, 24u);
  for (size_t bit = 0; bit < 8 * sizeof(header); ++bit) {
    RecordHeader damaged = header;
    auto* const bytes = reinterpret_cast<unsigned char*>(&damaged);
    bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
    EXPECT_EQ(check_header(damaged), std::nullopt) << bit;
  }
}

}  // namespace
}  // namespace ncscope::testing
