#include "kernels/classifier.h"

#include <gtest/gtest.h>

#include <limits>

#include "kernels/errors.h"

namespace ncscope::test {
namespace {

void expect_refused(const Classifier& classifier, const std::string& words) {
  try {
    classifier.check();
    ADD_FAILURE() << "expected a refusal with: " << words;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(ClassifierCheck, NamesWhatWasExpected) {
  Classifier{2, 3, {1, 2, 3, 4, 5, 6}, {}}.check();
  Classifier{2, 3, {1, 2, 3, 4, 5, 6}, {1, 2}}.check();
  expect_refused({2, 3, {1, 2, 3, 4, 5}, {}}, "expected a weight of 2 x 3 values, got 5");
  expect_refused({2, 3, {1, 2, 3, 4, 5, 6}, {1}}, "expected a bias of 2 values, got 1");
  expect_refused({0, 3, {}, {}}, "at least one class");
  expect_refused({3, 0, {}, {}}, "one dimension");
}

TEST(ClassifierCheck, NamesTheFirstValueThatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  expect_refused({2, 3, {1, 2, 3, 4, nan, 6}, {}}, "weight of class 1, column 1");
  expect_refused({2, 1, {1, 2}, {0, infinity}}, "bias of class 1");
  expect_refused({2, 1, {1, -1e160}, {}}, "expected a value below 2^220 in magnitude, got -1e+160");
}

}  // namespace
}  // namespace ncscope::test
