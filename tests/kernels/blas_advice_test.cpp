#include "kernels/cpu/blas_advice.h"

#include <gmock/gmock.h>

namespace ncscope::test {
namespace {

using ::testing::HasSubstr;

TEST(BlasAdvice, NamesTheKernelsThatAreTooOldForTheProcessor) {
  const std::string advice = blas_advice("Prescott", true);
  EXPECT_THAT(advice, HasSubstr("Prescott"));
  EXPECT_THAT(advice, HasSubstr("OPENBLAS_CORETYPE=Haswell"));
}

TEST(BlasAdvice, SaysNothingWhereNothingIsToGain) {
  for (const char* core : {"Haswell", "SkylakeX", "Zen", "neoversen1"}) {
    EXPECT_EQ(blas_advice(core, true), "") << core;
  }
  EXPECT_EQ(blas_advice("Prescott", false), "");
}

}  // namespace
}  // namespace ncscope::test
