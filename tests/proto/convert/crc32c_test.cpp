#include "proto/convert/crc32c.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace ncscope {
namespace {

TEST(Crc32c, GivesTheVectorsOfTheStandard) {
  // RFC 3720, appendix B.4.
  const std::vector<unsigned char> zeros(32, 0x00);
  const std::vector<unsigned char> ones(32, 0xff);
  std::vector<unsigned char> ascending(32);
  std::iota(ascending.begin(), ascending.end(), 0);
  EXPECT_EQ(crc32c(zeros.data(), 32), 0x8a9136aau);
  EXPECT_EQ(crc32c(ones.data(), 32), 0x62a8ab43u);
  EXPECT_EQ(crc32c(ascending.data(), 32), 0x46dd794eu);
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c(nullptr, 0), 0u);
}

TEST(Crc32c, PortableAndHardwareAgreeAtEveryLengthAndAlignment) {
  std::string bytes(300, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 131 + 7);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t length = 0; length + start <= bytes.size(); ++length) {
      ASSERT_EQ(crc32c(bytes.data() + start, length),
                crc32c_portable(bytes.data() + start, length));
    }
  }
}

TEST(Crc32c, PortableAndHardwareAgreeAroundTheLengthsOfLanes) {
  std::string bytes(40'000, '\0');
  uint32_t state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  for (const size_t lanes : {384, 768, 3072, 6144, 9216, 12'288, 36'864}) {
    for (size_t length = lanes - 9; length <= lanes + 9; ++length) {
      for (const size_t start : {0, 1, 7}) {
        ASSERT_EQ(crc32c(bytes.data() + start, length, 17),
                  crc32c_portable(bytes.data() + start, length, 17))
            << start << " " << length;
      }
    }
  }
}

TEST(Crc32c, PortableGivesTheVectorsOfTheStandard) {
  EXPECT_EQ(crc32c_portable("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c_portable(std::string(32, '\0').data(), 32), 0x8a9136aau);
}

TEST(Crc32c, ContinuesFromWhatCameBefore) {
  const std::string bytes = "features and labels";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t first = crc32c(bytes.data(), cut);
    EXPECT_EQ(crc32c(bytes.data() + cut, bytes.size() - cut, first),
              crc32c(bytes.data(), bytes.size()));
  }
}

}  // namespace
}  // namespace ncscope
