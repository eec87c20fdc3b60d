#include "server/grpc/answer_queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace ncscope::testing {
namespace {

using server::AnswerQueue;

v1::StreamResponse ack(uint64_t received, std::optional<uint64_t> durable = std::nullopt) {
  v1::StreamResponse response;
  response.mutable_ack()->set_received_sequence(received);
  if (durable) response.mutable_ack()->set_durable_sequence(*durable);
  return response;
}

v1::StreamResponse closed() {
  v1::StreamResponse response;
  response.mutable_closed();
  return response;
}

std::vector<v1::StreamResponse> all_of(AnswerQueue& queue) {
  std::vector<v1::StreamResponse> answers;
  while (auto answer = queue.pop()) answers.push_back(*std::move(answer));
  return answers;
}

TEST(AnswerQueue, KeepsAnswersAndTheirOrder) {
  AnswerQueue queue;
  queue.push(ack(0));
  queue.push(ack(1));
  queue.push(ack(1));  // of a batch that came twice
  queue.push(closed());
  const auto answers = all_of(queue);
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].ack().received_sequence(), 0u);
  EXPECT_EQ(answers[1].ack().received_sequence(), 1u);
  EXPECT_EQ(answers[2].ack().received_sequence(), 1u);
  EXPECT_TRUE(answers[3].has_closed());
  EXPECT_FALSE(queue.pop());
}

TEST(AnswerQueue, AcksBeyondTheBoundTakeThePlaceOfTheLast) {
  AnswerQueue queue;
  for (uint64_t i = 0; i < 1000; ++i) queue.push(ack(i));
  queue.push(closed());
  const auto answers = all_of(queue);
  ASSERT_EQ(answers.size(), AnswerQueue::kMostAcks + 1);
  for (size_t i = 0; i + 1 < AnswerQueue::kMostAcks; ++i) {
    EXPECT_EQ(answers[i].ack().received_sequence(), i);
  }
  EXPECT_EQ(answers[AnswerQueue::kMostAcks - 1].ack().received_sequence(), 999u);
  EXPECT_TRUE(answers.back().has_closed());
}

TEST(AnswerQueue, NothingThatIsDurableIsForgotten) {
  AnswerQueue queue;
  queue.push(ack(5));
  queue.push(ack(5, 3));
  queue.push(ack(5, 4));
  auto answers = all_of(queue);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].ack().durable_sequence(), 4u);
  for (uint64_t i = 0; i < 100; ++i) queue.push(i == 50 ? ack(i, 49) : ack(i));
  answers = all_of(queue);
  EXPECT_EQ(answers.back().ack().received_sequence(), 99u);
  EXPECT_EQ(answers.back().ack().durable_sequence(), 49u);
}

}  // namespace
}  // namespace ncscope::testing
