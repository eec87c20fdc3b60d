#include "tests/fuzz/epoch_log_seeds.h"

#include "kernels/accumulator.h"
#include "kernels/backend.h"
#include "ncscope/v1/service.pb.h"
#include "proto/convert/types.h"
#include "tests/fuzz/epoch_log_bytes.h"

namespace ncscope::fuzz {
namespace {

using namespace server;  // NOLINT: everything here is of it

constexpr size_t kDim = 2;
constexpr size_t kClasses = 3;

void append(std::string& log, RecordType type, const BodyParts& body) {
  const RecordHeader header = make_header(type, body);
  log.append(reinterpret_cast<const char*>(&header), sizeof header);
  for (const auto& part : body) {
    log.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
}

void append_open(std::string& log, DType type, uint32_t rank, uint32_t world_size) {
  v1::Open open;
  open.mutable_key()->set_run("run");
  open.set_num_classes(kClasses);
  open.set_dim(kDim);
  open.set_data_type(to_proto(type));
  open.set_label_type(v1::LABEL_TYPE_INT64);
  open.set_rank(rank);
  open.set_world_size(world_size);
  const std::string bytes = open.SerializeAsString();
  append(log, RecordType::kOpen, {std::as_bytes(std::span(bytes))});
}

void append_batch(std::string& log, DType type, uint64_t sequence, bool predictions, bool ids,
                  RecordType kind = RecordType::kBatch) {
  const std::vector<int32_t> labels = {0, 1, 2, kDroppedRow, 1};
  const std::vector<int32_t> predicted = {0, 1, 1, 0, 2};
  const std::vector<uint64_t> identities = {10 * sequence, 11, 12, 13, 10 * sequence + 4};
  const std::vector<double> features(labels.size() * kDim, 1.0);  // of narrower types: other values
  BatchRecord record{sequence, 0xdeadbeef, {1, 0}, ids ? 1u : 0u, {}, {}};
  record.batch = {features.data(), type,
                  labels.size(),   kDim,
                  labels.data(),   predictions ? predicted.data() : nullptr};
  if (ids) record.sample_ids = identities;
  append(log, kind, BatchBody(record).parts());
}

void append_classifier(std::string& log) {
  const std::vector<double> weight = {1, 0, 0, 1, 1, 1};
  const std::vector<double> bias = {0.5, 0, -0.5};
  append(log, RecordType::kClassifier,
         ClassifierBody({ClassifierArray::kWeight, false, weight}).parts());
  append(log, RecordType::kClassifier,
         ClassifierBody({ClassifierArray::kBias, false, bias}).parts());
}

std::string rank_log(DType type, bool predictions, bool ids, uint32_t rank = 0,
                     uint32_t world_size = 1) {
  std::string log;
  append_open(log, type, rank, world_size);
  for (uint64_t i = 0; i < 2; ++i) append_batch(log, type, i, predictions, ids);
  append_classifier(log);
  return log;
}

std::string closed(std::string log, bool partial) {
  append(log, RecordType::kClose, SmallBody(CloseRecord{2, partial}).parts());
  return log;
}

std::string state_log(RecordType kind) {
  std::string log;
  append_open(log, DType::kFloat32, 0, 1);
  append(log, kind, SmallBody(StateRecord{7}).parts());
  return log;
}

// Sums in place of the first two batches, one of them kept, and a third.
std::string checkpoint_log() {
  std::string log;
  append_open(log, DType::kFloat32, 0, 1);
  const std::vector<float> features(4 * kDim, 1.0F);
  const std::vector<int32_t> labels = {0, 1, 2, 1};
  const std::vector<uint64_t> identities = {1, 2, 3, 4};
  const std::vector<uint32_t> checksums = {5, 6};
  const auto device = make_device(Backend::kCpu);
  Accumulator accumulator(*device, kClasses, kDim, DType::kFloat32);
  accumulator.add(*device,
                  {features.data(), DType::kFloat32, labels.size(), kDim, labels.data(), nullptr});
  std::vector<std::byte> image;
  accumulator.save([&](const auto& work) { work(*device); },
                   [&](std::span<const std::byte> piece) {
                     image.insert(image.end(), piece.begin(), piece.end());
                   });
  const CheckpointBody body({0, false, 1, identities, checksums});
  BodyParts parts = body.parts();
  parts.emplace_back(image);
  append(log, RecordType::kCheckpoint, parts);
  append_batch(log, DType::kFloat32, 0, false, false, RecordType::kSample);
  append_batch(log, DType::kFloat32, 2, false, false);
  return log;
}

std::string claiming(std::string log, uint64_t bytes) {
  log.replace(offsetof(RecordHeader, body_bytes), sizeof bytes,
              reinterpret_cast<const char*>(&bytes), sizeof bytes);
  return log;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> epoch_log_seeds() {
  std::vector<std::pair<std::string, std::string>> logs;
  for (const DType type : {DType::kFloat32, DType::kFloat16, DType::kFloat64}) {
    const std::string name(dtype_name(type));
    logs.emplace_back(name, rank_log(type, false, false));
    logs.emplace_back(name + "_closed", closed(rank_log(type, true, true), false));
  }
  const std::string plain = rank_log(DType::kBFloat16, false, true);
  const std::string second = rank_log(DType::kBFloat16, false, true, 1, 2);
  logs.emplace_back("two_ranks",
                    closed(rank_log(DType::kBFloat16, false, true, 0, 2), true) + second);
  logs.emplace_back("state", state_log(RecordType::kState));
  logs.emplace_back("decided", state_log(RecordType::kDecided));
  logs.emplace_back("checkpoint", checkpoint_log());
  logs.emplace_back("cut", plain.substr(0, plain.size() - 3));
  logs.emplace_back("empty", "");
  std::vector<std::pair<std::string, std::string>> seeds;
  for (const auto& [name, log] : logs) seeds.emplace_back(name, kSealed + log);
  const auto with = [](Seal how, const std::string& log) { return static_cast<char>(how) + log; };
  seeds.emplace_back("as_written", with(Seal::kNone, plain));
  seeds.emplace_back("claims_2_to_60", with(Seal::kHeaders, claiming(plain, uint64_t{1} << 60)));
  seeds.emplace_back("claims_all", with(Seal::kHeaders, claiming(plain, ~uint64_t{0})));
  return seeds;
}

}  // namespace ncscope::fuzz
