#include "kernels/cpu/blas_library.h"

#include <gmock/gmock.h>

namespace ncscope::test {
namespace {

using ::testing::HasSubstr;

TEST(OpenBlasAdvice, NamesTheKernelsThatAreTooOldForTheProcessor) {
  const std::string advice = blas::openblas_advice("Prescott", true);
  EXPECT_THAT(advice, HasSubstr("Prescott"));
  EXPECT_THAT(advice, HasSubstr("OPENBLAS_CORETYPE=Haswell"));
}

TEST(OpenBlasAdvice, SaysNothingWhereNothingIsToGain) {
  for (const char* core : {"Haswell", "SkylakeX", "Zen", "neoversen1"}) {
    EXPECT_EQ(blas::openblas_advice(core, true), "") << core;
  }
  EXPECT_EQ(blas::openblas_advice("Prescott", false), "");
}

TEST(BlasLibrary, SaysWhatItIs) {
  EXPECT_GE(blas::take_threads(), 1);
  EXPECT_THAT(blas::version(), ::testing::AnyOf(HasSubstr("OpenBLAS"), HasSubstr("BLIS")));
  EXPECT_NE(blas::kernels(), "");
}

}  // namespace
}  // namespace ncscope::test
