// Logs that a disk has damaged: what is wrong is found and said, and nothing wrong is served.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "server/log/reader.h"
#include "tests/server/core/restart_fixture.h"

namespace ncscope::testing {
namespace {

// Two ranks; rank 0 has sent everything and closed, rank 1 a batch.
class DamageTest : public RestartFixture {
 protected:
  DamageTest() {
    limits_.durability = server::Durability::kOs;
    open_.set_world_size(2);
    undisturbed_ = finish("undisturbed");
    begin();
    stop();
    std::filesystem::copy(logs().at(0), intact_);
    for (const char* const name : {"rank-0.log", "rank-1.log"}) {
      EXPECT_TRUE(std::filesystem::exists(intact_ / name));
    }
  }

  v1::Open open_of(uint32_t rank, const std::string& run) const {
    v1::Open open = open_;
    open.mutable_key()->set_run(run);
    open.set_rank(rank);
    return open;
  }
  Samples part(uint32_t rank) const { return samples_.slice(rank * 6, 6); }

  void begin() {
    EXPECT_FALSE(send_rest(open_of(0, "run"), part(0), 3).report);
    const auto session = engine().open(open_of(1, "run"));
    session->add_batch(incoming(batches_of(part(1), 3)[0], *session));
  }

  std::string finish(const std::string& run) {
    send_rest(open_of(0, run), part(0), 3);
    const auto result = send_rest(open_of(1, run), part(1), 3);
    return result.report ? comparable(*result.report) : "no report";
  }

  // A server on the intact log but for this file.
  void start_with(const std::string& name, const std::string& content) {
    stop();
    const auto log = data() / "log" / "1-0";
    std::filesystem::remove_all(data());
    std::filesystem::create_directories(data() / "log");
    std::ofstream(data() / "VERSION") << "ncscope data 1\n";
    std::filesystem::copy(intact_, log);
    std::ofstream(log / name, std::ios::binary | std::ios::trunc) << content;
    start();
  }

  std::string content_of(const std::string& name) const {
    std::ifstream in(intact_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const Samples samples_ = make_samples(12, 2, 2, DType::kFloat32, 1);
  v1::Open open_ = open_for(samples_);
  std::string undisturbed_;
  const std::filesystem::path intact_ = folder_ / "intact";
};

TEST_F(DamageTest, AnIntactLogIsReadWhole) {
  start_with("rank-0.log", content_of("rank-0.log"));
  EXPECT_EQ(services().counters.damaged_logs, 0u);
  EXPECT_EQ(services().counters.replayed_batches, 3u);
  EXPECT_EQ(finish("run"), undisturbed_);
}

TEST_F(DamageTest, AFlippedBitInAnyByteEndsTheLogThere) {
  const std::string content = content_of("rank-0.log");
  std::vector<uint64_t> ends;
  {
    server::LogReader reader(intact_ / "rank-0.log");
    while (reader.next()) ends.push_back(reader.good_bytes());
  }
  ASSERT_EQ(ends.size(), 6u);  // opening, two batches, weight, bias, end
  ASSERT_EQ(ends.back(), content.size());
  for (size_t byte = 0; byte < content.size(); ++byte) {
    std::string damaged = content;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
    std::ofstream(folder_ / "damaged", std::ios::binary | std::ios::trunc) << damaged;
    server::LogReader reader(folder_ / "damaged");
    size_t records = 0;
    while (reader.next()) ++records;
    const auto hit = std::ranges::upper_bound(ends, byte) - ends.begin();
    EXPECT_EQ(records, static_cast<size_t>(hit)) << byte;
    EXPECT_NE(reader.damage(), "") << byte;
  }
}

// The same through a server, which is asked for the rest then.
TEST_F(DamageTest, AFlippedBitCostsNothingButWhatFollows) {
  for (const char* const name : {"rank-0.log", "rank-1.log"}) {
    const std::string content = content_of(name);
    for (size_t byte = 0; byte < content.size(); byte += 7) {
      SCOPED_TRACE(::testing::Message() << name << ", byte " << byte);
      std::string damaged = content;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
      start_with(name, damaged);
      ASSERT_EQ(services().counters.damaged_logs, 1u);
      ASSERT_LT(services().counters.replayed_batches, 3u + (name[5] == '0' ? 1 : 0));
      ASSERT_EQ(finish("run"), undisturbed_);
    }
  }
}

TEST_F(DamageTest, ALogThatIsCutShortAnywhereGoesOnThere) {
  const std::string content = content_of("rank-1.log");
  for (size_t bytes = 0; bytes < content.size(); ++bytes) {
    SCOPED_TRACE(bytes);
    start_with("rank-1.log", content.substr(0, bytes));
    ASSERT_LE(services().counters.damaged_logs, 1u);
    ASSERT_EQ(finish("run"), undisturbed_);
  }
}

TEST_F(DamageTest, WhatFollowsTheLogIsCutOff) {
  start_with("rank-1.log", content_of("rank-1.log") + std::string(100, '\0'));
  EXPECT_EQ(services().counters.damaged_logs, 1u);
  const auto session = engine().open(open_of(1, "run"));
  EXPECT_EQ(session->next_sequence(), 1u);
  session->add_batch(incoming(batches_of(part(1), 3)[1], *session));
  restart();
  EXPECT_EQ(services().counters.damaged_logs, 0u);
  EXPECT_EQ(finish("run"), undisturbed_);
}

// Checksums are right, so only its place in the log says that a record is wrong.
TEST_F(DamageTest, RecordsInTheWrongOrderAreNotTaken) {
  start_with("rank-1.log", content_of("rank-0.log"));  // of another rank
  EXPECT_EQ(services().counters.damaged_logs, 1u);
  EXPECT_EQ(finish("run"), undisturbed_);
  start_with("rank-1.log", content_of("rank-1.log") + content_of("rank-1.log"));
  EXPECT_EQ(services().counters.damaged_logs, 1u);
  EXPECT_EQ(services().counters.replayed_batches, 3u);
  EXPECT_EQ(finish("run"), undisturbed_);
}

std::string sealed(server::RecordType type, const server::BodyParts& body) {
  const server::RecordHeader header = server::make_header(type, body);
  std::string out(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const auto& part : body) {
    out.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return out;
}

TEST_F(DamageTest, RecordsThatDoNotFitTheSeriesAreNotTaken) {
  const std::vector<float> features(4, 1.0F);
  const auto batch = [&](const std::vector<int32_t>& labels,
                         const std::vector<int32_t>& predictions) {
    server::BatchRecord record;
    record.sequence = 1;
    record.batch = {features.data(),
                    DType::kFloat32,
                    2,
                    2,
                    labels.data(),
                    predictions.empty() ? nullptr : predictions.data()};
    return sealed(server::RecordType::kBatch, server::BatchBody(record).parts());
  };
  const auto array = [&](server::ClassifierArray which, const std::vector<double>& values) {
    return sealed(server::RecordType::kClassifier,
                  server::ClassifierBody({which, false, values}).parts());
  };
  for (const std::string& record :
       {batch({0, 2}, {}), batch({-2, 0}, {}), batch({1 << 30, 0}, {}), batch({0, 1}, {0, 2}),
        batch({0, 1}, {-1, 0}), array(server::ClassifierArray::kWeight, {1, 2, 3}),
        array(server::ClassifierArray::kBias, {1, 2, 3, 4})}) {
    start_with("rank-1.log", content_of("rank-1.log") + record);
    EXPECT_EQ(services().counters.damaged_logs, 1u);
    EXPECT_EQ(services().counters.replayed_batches, 3u);
    EXPECT_EQ(finish("run"), undisturbed_);
  }
}

TEST_F(DamageTest, WhatNamesNoSeriesIsKeptAside) {
  v1::Open open = open_of(1, "a run's name has no blanks");
  const std::string bytes = open.SerializeAsString();
  const std::string log = sealed(server::RecordType::kOpen, {std::as_bytes(std::span(bytes))});
  std::filesystem::remove(intact_ / "rank-0.log");
  start_with("rank-1.log", log);
  engine();
  EXPECT_EQ(logs(), std::vector{data() / "log" / "1-0.damaged"});
}

TEST_F(DamageTest, WhatNoServerHasOpenedDoesNotSayWhatTheSeriesIs) {
  v1::Open open = open_of(1, "another");
  open.set_world_size(3);
  const std::string bytes = open.SerializeAsString();
  start_with("rank-0.log", sealed(server::RecordType::kOpen, {std::as_bytes(std::span(bytes))}));
  EXPECT_EQ(services().counters.damaged_logs, 1u);
  EXPECT_EQ(services().counters.replayed_batches, 1u);
  EXPECT_EQ(finish("run"), undisturbed_);
}

TEST_F(DamageTest, WhatANewerServerHasOpenedStopsTheStartAndStays) {
  for (const bool type : {true, false}) {
    v1::Open open = open_of(0, "run");
    if (type) {
      open.set_data_type(static_cast<v1::DataType>(11));
    } else {
      open.set_profile("of next year");
    }
    const std::string bytes = open.SerializeAsString();
    const std::string log = sealed(server::RecordType::kOpen, {std::as_bytes(std::span(bytes))});
    try {
      start_with("rank-0.log", log);
      FAIL() << "expected a refusal";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("log/1-0"));
      EXPECT_THAT(error.what(), ::testing::HasSubstr(type ? "got 11" : "of next year"));
    }
    std::ifstream left(data() / "log" / "1-0" / "rank-0.log", std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(left), {}), log);
  }
}

TEST_F(DamageTest, ALogOfAnotherSeriesIsNotTaken) {
  for (const bool other_run : {true, false}) {
    v1::Open open = open_of(1, other_run ? "another" : "run");
    if (!other_run) open.set_attempt(1);
    const std::string bytes = open.SerializeAsString();
    start_with("rank-1.log", sealed(server::RecordType::kOpen, {std::as_bytes(std::span(bytes))}));
    EXPECT_EQ(services().counters.damaged_logs, 1u);
    EXPECT_EQ(services().counters.replayed_batches, 2u);
  }
}

TEST_F(DamageTest, WhatIsBeyondTheLimitsIsSaidWithItsFolder) {
  limits_.max_classes = 1;
  try {
    start_with("rank-1.log", content_of("rank-1.log"));
    FAIL() << "expected a refusal";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("log/1-0"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("num_classes"));
  }
}

TEST_F(DamageTest, ABatchThatIsDamagedWhileItsEpochIsStreamedMakesNoReport) {
  start_with("rank-0.log", content_of("rank-0.log"));
  // Behind the server's back: what the second look at the samples reads.
  const auto path = logs().at(0) / "rank-1.log";
  std::string content = content_of("rank-1.log");
  content.back() = static_cast<char>(content.back() ^ 1);
  std::ofstream(path, std::ios::binary | std::ios::in).write(content.data(), content.size());
  EXPECT_THROW(finish("run"), DataLoss);
  EXPECT_FALSE(report(open_of(0, "run")));
}

}  // namespace
}  // namespace ncscope::testing
