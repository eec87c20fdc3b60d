// Random schedules of one rank against a model of it: duplicates, conflicts, gaps, closes too
// early, newer streams, restarts. NCSCOPE_SCHEDULES is how many (default 200).
#include <cstdlib>

#include "tests/server/core/restart_fixture.h"
#include "tests/support/random.h"

namespace ncscope::testing {
namespace {

constexpr size_t kBatches = 6;
constexpr size_t kRows = 3;

enum class Outcome { kTaken, kGap, kConflict, kDamaged, kOver, kAborted };

// What the server must make of it.
struct Model {
  uint64_t received = 0;
  bool reported = false;

  Outcome batch(uint64_t sequence, bool same, bool right_checksum) const {
    if (!right_checksum) return Outcome::kDamaged;
    if (sequence < received) return same ? Outcome::kTaken : Outcome::kConflict;
    if (reported) return Outcome::kConflict;
    return sequence > received ? Outcome::kGap : Outcome::kTaken;
  }
};

class ScheduleTest : public RestartFixture {
 protected:
  ScheduleTest() {
    limits_.durability = server::Durability::kOs;
    batches_ = batches_of(samples_, kRows);
    samples_.classifier.reset();
    undisturbed_ =
        comparable(*send_rest(open_for(samples_, "undisturbed"), samples_, kRows).report);
  }

  Outcome send(server::Session& session, const v1::Batch& batch) {
    try {
      session.add_batch(incoming(batch, session));
      return Outcome::kTaken;
    } catch (const server::FailedPrecondition&) {
      return Outcome::kGap;
    } catch (const server::AlreadyExists&) {
      return Outcome::kConflict;
    } catch (const DataLoss&) {
      return Outcome::kDamaged;
    } catch (const server::Aborted&) {
      return Outcome::kAborted;
    }
  }

  // A batch that is none of the schedule's: another number, other content, a wrong checksum.
  void send_odd(server::Session& session, test::Random& random, Model& model) {
    const uint64_t sequence = random.below(kBatches);
    v1::Batch batch = batches_[sequence];
    const bool same = random.below(2) == 0;
    const bool right = random.below(4) != 0;
    if (!same) {
      (*batch.mutable_features())[1] ^= 1;
      batch.set_crc32c(checksum_of(batch));
    }
    if (!right) batch.set_crc32c(batch.crc32c() + 1);
    if (sequence == model.received && right && !model.reported && !same) return;  // it would do
    const Outcome expected = model.batch(sequence, same, right);
    ASSERT_EQ(send(session, batch), expected) << "batch " << sequence;
    if (expected == Outcome::kTaken && sequence == model.received) ++model.received;
  }

  void close(server::Session& session, uint64_t batches, Model& model) {
    try {
      const auto result = session.close(batches, false);
      ASSERT_EQ(batches, model.received);
      ASSERT_TRUE(result.report);
      ASSERT_EQ(comparable(*result.report), undisturbed_);
      model.reported = true;
    } catch (const server::FailedPrecondition&) {
      ASSERT_NE(batches, model.received);
    }
  }

  void run(uint64_t seed) {
    test::Random random(seed);
    const v1::Open open = open_for(samples_, "run" + std::to_string(seed));
    Model model;
    std::unique_ptr<server::Session> older;
    auto session = engine().open(open);
    for (int step = 0; step < 40; ++step) {
      ASSERT_EQ(session->next_sequence(), model.received) << step;
      switch (random.below(12)) {
        case 0:
          older = std::move(session);
          session = engine().open(open);
          break;
        case 1:
          if (older && !model.reported) {
            ASSERT_EQ(send(*older, batches_[0]), Outcome::kAborted);
          }
          break;
        case 2:
          if (random.below(4) != 0) break;
          session.reset();
          older.reset();
          restart();
          session = engine().open(open);
          break;
        case 3: {
          const uint64_t count = random.below(kBatches + 2);
          if (count == model.received && count < kBatches) break;  // a shorter epoch, and right
          ASSERT_NO_FATAL_FAILURE(close(*session, count, model));
          if (!model.reported) break;
          session = engine().open(open);  // as whoever did not hear the answer
          break;
        }
        case 4:
        case 5:
          ASSERT_NO_FATAL_FAILURE(send_odd(*session, random, model));
          break;
        default:
          if (model.received == kBatches) break;
          ASSERT_EQ(send(*session, batches_[model.received]), Outcome::kTaken);
          ++model.received;
      }
    }
    while (model.received < kBatches) {
      ASSERT_EQ(send(*session, batches_[model.received++]), Outcome::kTaken);
    }
    ASSERT_NO_FATAL_FAILURE(close(*session, kBatches, model));
    ASSERT_TRUE(model.reported);
    ASSERT_TRUE(logs().empty());
  }

  Samples samples_ = make_samples(kBatches * kRows, 2, 2, DType::kFloat32, 1);
  std::vector<v1::Batch> batches_;
  std::string undisturbed_;
};

TEST_F(ScheduleTest, TheServerDoesWhatTheModelDoes) {
  const char* const count = std::getenv("NCSCOPE_SCHEDULES");
  const uint64_t schedules = count == nullptr ? 200 : std::strtoull(count, nullptr, 10);
  for (uint64_t seed = 0; seed < schedules; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(run(seed));
    if (seed % 100 == 99) {  // a store of many runs makes starts slow
      stop();
      std::filesystem::remove_all(data());
    }
  }
}

}  // namespace
}  // namespace ncscope::testing
