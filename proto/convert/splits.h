// What the names of splits mean.
#pragma once

#include <string_view>

namespace ncscope {

// The split whose class means the others are judged against.
inline constexpr const char* kTrainSplit = "train";

// Whether its samples are out of distribution, so that their labels mean nothing: "ood",
// "ood_svhn", "ood.places".
inline bool is_out_of_distribution(std::string_view split) { return split.starts_with("ood"); }

}  // namespace ncscope
