#include "client/rpc/batch_message.h"

#include <google/protobuf/io/coded_stream.h>

#include <atomic>
#include <string>
#include <vector>

#include "ncscope/v1/service.pb.h"
#include "proto/convert/crc32c.h"

namespace ncscope::client {
namespace {

using Owner = std::shared_ptr<const void>;

// Tag and length of a field of bytes; the tags of these messages take one byte.
template <int kField>
void append_head(std::string& out, size_t bytes) {
  static_assert(kField < 16, "one-byte tags");
  constexpr int kLengthDelimited = 2;
  uint8_t length[10];
  uint8_t* const end = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(bytes, length);
  out.push_back(static_cast<char>(kField << 3 | kLengthDelimited));
  out.append(reinterpret_cast<const char*>(length), end - length);
}

// What a slice holds. gRPC lets go of it on a thread of its own choice; that it does so after the
// slice was made is said once more here, where ThreadSanitizer, which does not see into gRPC, sees
// it.
class Hold {
 public:
  explicit Hold(const Owner& owner) : owner_(owner) {
    made_.store(true, std::memory_order_release);
  }
  static void release(void* hold) {
    auto* const held = static_cast<Hold*>(hold);
    if (held->made_.load(std::memory_order_acquire)) delete held;
  }

 private:
  Owner owner_;
  std::atomic<bool> made_{false};
};

grpc::Slice slice_of(std::span<const std::byte> bytes, const Owner& owner) {
  // gRPC takes the memory as mutable, and only reads it.
  return {const_cast<std::byte*>(bytes.data()), bytes.size(), &Hold::release, new Hold(owner)};
}

// The message: heads, each with an array after it.
class Layout {
 public:
  Layout(const BatchBytes& batch, uint64_t sequence, uint32_t crc32c) {
    v1::Batch small;
    small.set_sequence(sequence);
    small.set_rows(static_cast<uint32_t>(batch.rows));
    small.set_crc32c(crc32c);
    add<v1::Batch::kSampleIdsFieldNumber>(batch.sample_ids);
    add<v1::Batch::kPredictionsFieldNumber>(batch.predictions);
    add<v1::Batch::kLabelsFieldNumber>(batch.labels);
    add<v1::Batch::kFeaturesFieldNumber>(batch.features);
    const std::string fields = small.SerializeAsString();
    append_head<v1::StreamRequest::kBatchFieldNumber>(envelope_, fields.size() + array_fields_);
    envelope_ += fields;
  }

  size_t bytes() const { return envelope_.size() + array_fields_; }

  grpc::ByteBuffer over(const Owner& owner) const {
    std::vector<grpc::Slice> slices;
    slices.emplace_back(envelope_);
    for (const Field& field : fields_) {
      slices.emplace_back(field.head);
      slices.push_back(slice_of(field.array, owner));
    }
    return {slices.data(), slices.size()};
  }

 private:
  struct Field {
    std::string head;
    std::span<const std::byte> array;
  };

  template <int kField>
  void add(std::span<const std::byte> array) {
    if (array.empty()) return;  // as protobuf does
    Field& field = fields_.emplace_back();
    append_head<kField>(field.head, array.size());
    field.array = array;
    array_fields_ += field.head.size() + array.size();
  }

  std::string envelope_;  // of the batch, and its small fields
  std::vector<Field> fields_;
  size_t array_fields_ = 0;  // bytes of those
};

}  // namespace

uint32_t checksum_of(const BatchBytes& batch) {
  uint32_t checksum = 0;
  for (const auto& part : {batch.labels, batch.predictions, batch.sample_ids, batch.features}) {
    checksum = crc32c(part.data(), part.size(), checksum);
  }
  return checksum;
}

size_t batch_message_bytes(const BatchBytes& batch, uint64_t sequence) {
  return Layout(batch, sequence, 0).bytes();
}

grpc::ByteBuffer batch_message(const BatchBytes& batch, uint64_t sequence, uint32_t crc32c,
                               const Owner& owner) {
  return Layout(batch, sequence, crc32c).over(owner);
}

}  // namespace ncscope::client
