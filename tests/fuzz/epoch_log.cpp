// libFuzzer target: the log of a rank. Its reader gives what was written, up to where it is
// damaged, and the parser of each record stays within the body.
#include <google/protobuf/stubs/logging.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>

#include "kernels/errors.h"
#include "ncscope/v1/service.pb.h"
#include "server/core/series_spec.h"
#include "server/log/reader.h"
#include "tests/fuzz/epoch_log_bytes.h"
#include "tests/support/arrays.h"

namespace {

using namespace ncscope::server;  // NOLINT: everything here is of it

constexpr uint64_t kMaxDim = 1 << 16;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "epoch_log: %s\n", what);
  std::abort();
}

using Body = std::span<const std::byte>;

// The body that a writer makes of what a parser found must be the one that was read, from `first`
// on: flags and counts before it are wider than what is kept of them.
void require_same(Body body, const BodyParts& written, size_t first) {
  std::vector<std::byte> joined;
  for (const Body part : written) joined.insert(joined.end(), part.begin(), part.end());
  require(std::ranges::equal(body.subspan(first), Body(joined).subspan(first)),
          "a record is not what was written");
}

// What the batches of a log look like.
struct Shape {
  ncscope::DType type = ncscope::DType::kFloat32;
  uint64_t dim = 2;
};

void parse_open(Body body, Shape& shape) {
  ncscope::v1::Open open;
  if (!open.ParseFromArray(body.data(), static_cast<int>(body.size()))) return;
  const ncscope::BatchSpec spec = parse_batch_spec(open);
  if (spec.dim == 0 || spec.dim > kMaxDim) return;
  shape = {spec.type, spec.dim};
}

// As read_checkpoint() reads a body.
ReadBody reader_of(Body body) {
  return [body](uint64_t offset, void* out, size_t bytes) {
    require(offset <= body.size() && bytes <= body.size() - offset, "more than a body is read");
    if (bytes > 0) std::memcpy(out, body.data() + offset, bytes);
  };
}

void parse_samples(Body body, Shape& shape) {
  const BatchRecord record = parse_batch(body, shape.type, shape.dim);
  require_same(body, BatchBody(record).parts(), 7 * sizeof(uint64_t));
}

using Parse = void (*)(Body, Shape&);

// A new kind of record is one more line.
const std::map<RecordType, Parse> kParsers = {
    {RecordType::kOpen, parse_open},
    {RecordType::kBatch, parse_samples},
    {RecordType::kSample, parse_samples},
    {RecordType::kClassifier,
     [](Body body, Shape&) {
       require_same(body, ClassifierBody(parse_classifier(body)).parts(), 2 * sizeof(uint64_t));
     }},
    {RecordType::kClose, [](Body body, Shape&) { parse_close(body); }},
    {RecordType::kState, [](Body body, Shape&) { parse_state(body); }},
    {RecordType::kDecided, [](Body body, Shape&) { parse_state(body); }},
    {RecordType::kCheckpoint,
     [](Body body, Shape&) {
       const ReadCheckpoint read = read_checkpoint(body.size(), reader_of(body));
       CheckpointRecord record;
       record.sample_ids = read.sample_ids;
       record.checksums = read.checksums;
       require_same(body.first(read.image_offset), CheckpointBody(record).parts(),
                    5 * sizeof(uint64_t));
     }},
};

// `body` is aligned, as the reader has it.
void parse_record(RecordType type, Body body, Shape& shape) {
  const auto parser = kParsers.find(type);
  if (parser == kParsers.end()) return;
  try {
    parser->second(body, shape);
  } catch (const ncscope::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ncscope::testing::MemoryFile file;
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(quiet);
  const std::string log = ncscope::fuzz::log_of(data, size);
  file.write(log);
  LogReader reader(file.path());
  Shape shape;
  const auto sound = ncscope::fuzz::sound_records(log);
  for (const auto& expected : sound) {
    const auto record = reader.next();
    require(record && record->type == expected.type && record->place == expected.place,
            "a sound record is not read");
    std::vector<uint64_t> buffer((record->body_bytes + 7) / 8);
    const std::span body(reinterpret_cast<std::byte*>(buffer.data()), record->body_bytes);
    reader.read_body(*record, 0, body.data(), body.size());
    require(std::ranges::equal(body, std::as_bytes(std::span(expected.body))),
            "a body is not what was written");
    require(record->type == RecordType::kCheckpoint || std::ranges::equal(body, record->body),
            "a body is read in two ways");
    require(reader.good_bytes() == expected.place + sizeof(RecordHeader) + expected.body.size(),
            "the place of the next record is wrong");
    parse_record(record->type, body, shape);
  }
  if (sound.of_newer_version) {
    bool refused = false;
    try {
      reader.next();
    } catch (const ncscope::Error&) {
      refused = true;
    }
    require(refused, "what only a newer version knows is passed over");
    return 0;
  }
  require(!reader.next(), "a damaged record is read");
  require(reader.good_bytes() <= log.size(), "more is read than there is");
  require(reader.damage().empty() == (reader.good_bytes() == log.size()),
          "damage is said where there is none, or not where there is");
  require(!reader.next(), "a log goes on behind its end");
  return 0;
}
