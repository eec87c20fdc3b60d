// A batch as slices: the bytes of protobuf, over memory that is let go of when nobody reads it.
#include "client/rpc/batch_message.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "client/rpc/batch_copy.h"
#include "ncscope/v1/service.pb.h"
#include "proto/convert/crc32c.h"

namespace ncscope::client {
namespace {

std::string joined(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// The arrays of a batch: any bytes, of any lengths.
struct Arrays {
  std::string features, labels, predictions, sample_ids;

  BatchBytes view(size_t rows) const {
    BatchBytes batch;
    batch.rows = rows;
    batch.features = bytes_of(features);
    batch.labels = bytes_of(labels);
    batch.predictions = bytes_of(predictions);
    batch.sample_ids = bytes_of(sample_ids);
    return batch;
  }

  uint32_t checksum() const {
    const std::string all = labels + predictions + sample_ids + features;
    return crc32c(all.data(), all.size());
  }

  // By protobuf.
  std::string message(size_t rows, uint64_t sequence) const {
    v1::StreamRequest request;
    v1::Batch& batch = *request.mutable_batch();
    batch.set_sequence(sequence);
    batch.set_rows(static_cast<uint32_t>(rows));
    batch.set_crc32c(checksum());
    batch.set_features(features);
    batch.set_labels(labels);
    batch.set_predictions(predictions);
    batch.set_sample_ids(sample_ids);
    return request.SerializeAsString();
  }
};

class RandomArrays {
 public:
  // Lengths around the steps of a varint, and 0 now and then.
  Arrays next() { return {text(), text(), text(), text()}; }
  uint64_t sequence() { return generator_() >> (generator_() % 64); }

 private:
  std::string text() {
    constexpr size_t kLengths[] = {0, 1, 127, 128, 129, 16383, 16384, 70'000};
    std::string bytes(kLengths[generator_() % std::size(kLengths)], '\0');
    for (char& byte : bytes) byte = static_cast<char>(generator_());
    return bytes;
  }
  std::mt19937_64 generator_{11};
};

TEST(BatchMessage, HasTheBytesOfProtobuf) {
  RandomArrays random;
  for (int i = 0; i < 300; ++i) {
    const Arrays arrays = random.next();
    const size_t rows = i % 5 == 0 ? 0 : random.sequence() % 100'000;
    const uint64_t sequence = i % 7 == 0 ? 0 : random.sequence();
    const BatchBytes batch = arrays.view(rows);
    const std::string expected = arrays.message(rows, sequence);
    EXPECT_EQ(checksum_of(batch), arrays.checksum());
    EXPECT_EQ(batch_message_bytes(batch, sequence), expected.size());
    const grpc::ByteBuffer got = batch_message(batch, sequence, checksum_of(batch), nullptr);
    ASSERT_TRUE(joined(got) == expected) << "batch " << i << ", sequence " << sequence;
  }
}

TEST(BatchMessage, IsReadBackAsTheBatch) {
  RandomArrays random;
  for (int i = 0; i < 50; ++i) {
    const Arrays arrays = random.next();
    const grpc::ByteBuffer bytes = batch_message(arrays.view(i), i, arrays.checksum(), nullptr);
    v1::StreamRequest request;
    ASSERT_TRUE(request.ParseFromString(joined(bytes)));
    EXPECT_EQ(request.batch().sequence(), static_cast<uint64_t>(i));
    EXPECT_EQ(request.batch().rows(), static_cast<uint32_t>(i));
    EXPECT_TRUE(request.batch().has_crc32c());
    EXPECT_TRUE(request.batch().features() == arrays.features);
    EXPECT_TRUE(request.batch().labels() == arrays.labels);
    EXPECT_TRUE(request.batch().predictions() == arrays.predictions);
    EXPECT_TRUE(request.batch().sample_ids() == arrays.sample_ids);
  }
}

TEST(BatchMessage, RefersToTheArraysInsteadOfCopyingThem) {
  Arrays arrays{std::string(5000, 'f'), std::string(600, 'l'), "", ""};
  const grpc::ByteBuffer message = batch_message(arrays.view(5), 0, 0, nullptr);
  arrays.features[17] = 'x';
  arrays.labels[3] = 'y';
  const std::string bytes = joined(message);
  EXPECT_NE(bytes.find('x'), std::string::npos);
  EXPECT_NE(bytes.find('y'), std::string::npos);
}

TEST(BatchMessage, HoldsTheOwnerUntilTheLastCopyIsGone) {
  const Arrays arrays{std::string(5000, 'f'), std::string(600, 'l'), "p", "i"};
  auto owner = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = owner;
  auto first = std::make_unique<grpc::ByteBuffer>(batch_message(arrays.view(5), 0, 0, owner));
  owner.reset();
  auto second = std::make_unique<grpc::ByteBuffer>(*first);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(second->Dump(&slices).ok());
  first.reset();
  EXPECT_FALSE(watch.expired());
  second.reset();
  EXPECT_FALSE(watch.expired()) << "a slice still refers to the memory";
  slices.clear();
  EXPECT_TRUE(watch.expired());
}

TEST(BatchCopier, CopiesAndTakesTheChecksum) {
  RandomArrays random;
  BatchCopier copier;
  for (int i = 0; i < 100; ++i) {
    Arrays arrays = random.next();
    const std::string expected = arrays.message(9, 3);
    const BatchCopy copy = copier.copy(arrays.view(9));
    EXPECT_EQ(copy.crc32c, arrays.checksum());
    for (std::string* text : {&arrays.features, &arrays.labels, &arrays.predictions}) {
      std::fill(text->begin(), text->end(), '?');
    }
    ASSERT_TRUE(joined(batch_message(copy.bytes, 3, copy.crc32c, copy.owner)) == expected);
  }
}

TEST(BatchCopier, UsesMemoryAgainOnlyWhenNobodyHoldsIt) {
  const Arrays arrays{std::string(5000, 'f'), std::string(600, 'l'), "", ""};
  BatchCopier copier;
  const std::byte* first_place = nullptr;
  {
    const BatchCopy first = copier.copy(arrays.view(1));
    const BatchCopy second = copier.copy(arrays.view(1));
    first_place = first.bytes.labels.data();
    EXPECT_NE(first_place, second.bytes.labels.data());
    const grpc::ByteBuffer message = batch_message(first.bytes, 0, 0, first.owner);
  }
  const BatchCopy third = copier.copy(arrays.view(1));
  EXPECT_EQ(third.bytes.labels.data(), first_place);
}

TEST(BatchCopier, CopiesOutliveIt) {
  const Arrays arrays{std::string(5000, 'f'), "l", "", ""};
  auto copier = std::make_unique<BatchCopier>();
  const BatchCopy copy = copier->copy(arrays.view(1));
  copier.reset();
  EXPECT_EQ(std::memcmp(copy.bytes.features.data(), arrays.features.data(), 5000), 0);
}

}  // namespace
}  // namespace ncscope::client
