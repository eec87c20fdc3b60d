// Admission of a batch that comes in pieces.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "kernels/admission.h"
#include "kernels/errors.h"
#include "tests/support/random.h"
#include "tests/support/wire.h"

namespace ncscope::test {
namespace {

constexpr size_t kRows = 3;
constexpr size_t kDim = 5;
constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64};
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

struct Whole {
  BatchSpec spec;
  std::vector<std::byte> features, labels, predictions;
  RawSizes sizes() const { return {kRows, features.size(), labels.size(), predictions.size()}; }
};

Whole make_whole(DType type, LabelWidth width, const std::vector<double>& values) {
  Whole whole;
  whole.spec = {10, kDim, type, width, false, -100};
  whole.features = encode(type, values);
  whole.labels = encode_labels(width, std::vector<int64_t>{3, -100, 9});
  whole.predictions = encode_labels(width, std::vector<int64_t>{0, 1, 9});
  return whole;
}

using Cuts = std::vector<size_t>;

// Hands on the bytes from one cut to the next, each piece as a copy at an odd address.
template <class Take>
void in_pieces(const std::vector<std::byte>& bytes, const Cuts& cuts, const Take& take) {
  size_t begin = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t end = i < cuts.size() ? std::min(cuts[i], bytes.size()) : bytes.size();
    std::vector<std::byte> copy(end - begin + 1);
    std::copy(bytes.begin() + static_cast<ptrdiff_t>(begin),
              bytes.begin() + static_cast<ptrdiff_t>(end), copy.begin() + 1);
    take(std::span<const std::byte>(copy).subspan(1));
    begin = end;
  }
}

AdmittedBatch admit_pieces(const Whole& whole, const Cuts& cuts) {
  const size_t bytes = Admission::bytes_needed(whole.sizes(), whole.spec);
  Admission admission(whole.sizes(), whole.spec, new_batch_memory(bytes));
  in_pieces(whole.labels, cuts, [&](auto piece) { admission.labels(piece); });
  in_pieces(whole.predictions, cuts, [&](auto piece) { admission.predictions(piece); });
  in_pieces(whole.features, cuts, [&](auto piece) { admission.features(piece); });
  return admission.finish();
}

std::string refusal(const auto& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "admitted";
}

void expect_same(const AdmittedBatch& a, const AdmittedBatch& b) {
  const Batch x = a.view(), y = b.view();
  ASSERT_EQ(x.rows, y.rows);
  EXPECT_EQ(std::memcmp(x.features, y.features, x.rows * x.dim * dtype_size(x.type)), 0);
  EXPECT_EQ(std::memcmp(x.labels, y.labels, x.rows * 4), 0);
  EXPECT_EQ(std::memcmp(x.predictions, y.predictions, x.rows * 4), 0);
  EXPECT_EQ(a.dropped().ignored, b.dropped().ignored);
  EXPECT_EQ(a.dropped().nonfinite, b.dropped().nonfinite);
  EXPECT_EQ(a.bytes(), b.bytes());
}

template <class Check>
void for_every_split(size_t bytes, const Check& check) {
  for (size_t first = 0; first <= bytes; ++first) {
    for (size_t second = first; second <= bytes; ++second) check(Cuts{first, second});
  }
  Cuts single(bytes);
  for (size_t i = 0; i < bytes; ++i) single[i] = i;
  check(single);
}

TEST(AdmissionInPieces, IsThatOfTheWholeWhereverItIsCut) {
  Random random(7);
  for (const DType type : kTypes) {
    for (const LabelWidth width : {LabelWidth::kInt32, LabelWidth::kInt64}) {
      const Whole whole = make_whole(type, width, random.normals(kRows * kDim));
      const AdmittedBatch expected =
          admit({kRows, whole.features, whole.labels, whole.predictions}, whole.spec);
      for_every_split(whole.features.size(),
                      [&](const Cuts& cuts) { expect_same(admit_pieces(whole, cuts), expected); });
    }
  }
}

TEST(AdmissionInPieces, NamesTheSameFeatureWhereverItIsCut) {
  Random random(8);
  for (const DType type : kTypes) {
    for (const size_t place : {size_t{0}, kDim - 1, 2 * kDim, 3 * kDim - 1}) {
      std::vector<double> values = random.normals(kRows * kDim);
      values[place] = kNotANumber;
      values[kDim + 2] = kNotANumber;  // of the row that is ignored
      const Whole whole = make_whole(type, LabelWidth::kInt64, values);
      const std::string expected = refusal([&] {
        admit({kRows, whole.features, whole.labels, whole.predictions}, whole.spec);
      });
      ASSERT_NE(expected, "admitted");
      for_every_split(whole.features.size(), [&](const Cuts& cuts) {
        ASSERT_EQ(refusal([&] { admit_pieces(whole, cuts); }), expected);
      });
    }
  }
}

TEST(AdmissionInPieces, DropsTheSameRowsWhereverItIsCut) {
  Random random(9);
  for (const DType type : kTypes) {
    std::vector<double> values = random.normals(kRows * kDim);
    values[0] = kNotANumber;
    values[kDim + 2] = kNotANumber;
    Whole whole = make_whole(type, LabelWidth::kInt64, values);
    whole.spec.skip_nonfinite = true;
    const AdmittedBatch expected =
        admit({kRows, whole.features, whole.labels, whole.predictions}, whole.spec);
    EXPECT_EQ(expected.dropped().nonfinite, 1u);
    for_every_split(whole.features.size(),
                    [&](const Cuts& cuts) { expect_same(admit_pieces(whole, cuts), expected); });
  }
}

TEST(AdmissionInPieces, RefusesTooManyAndTooFewBytes) {
  Random random(10);
  const Whole whole = make_whole(DType::kFloat32, LabelWidth::kInt64, random.normals(15));
  const auto start = [&] {
    return Admission(whole.sizes(), whole.spec,
                     new_batch_memory(Admission::bytes_needed(whole.sizes(), whole.spec)));
  };
  const std::vector<std::byte> more(whole.features.size() + 1);
  EXPECT_EQ(refusal([&] { start().features(more); }), "admit: expected no more features, got some");
  EXPECT_EQ(refusal([&] { start().labels(std::span(more).first(32)); }),
            "admit: expected no more labels, got some");
  EXPECT_EQ(refusal([&] { start().predictions(std::span(more).first(32)); }),
            "admit: expected no more predictions, got some");
  EXPECT_EQ(refusal([&] { start().finish(); }),
            "admit: expected all bytes of the batch, got some of them");
}

}  // namespace
}  // namespace ncscope::test
