// The metrics of the report table: what each is called, is ideally, and means.
#pragma once

#include <array>
#include <string_view>

namespace ncscope::output {

struct MetricRow {
  std::string_view field;
  std::string_view ideal;  // empty where there is none
  std::string_view meaning;
};

inline constexpr std::array<MetricRow, 13> kNc1Rows{{
    {"pinv", "0", "tr(S_W S_B^+) / P"},
    {"quotient", "0", "tr S_W / tr S_B"},
    {"precision_floor", "", "smallest quotient that the input type resolves"},
    {"vci", "0", "1 - tr(S_T^+ S_B) / rank(S_B)"},
    {"cdnv", "0", "mean over pairs of (v_c + v_c') / (2 |mu_c - mu_c'|^2)"},
    {"cdnv_max", "0", "largest pair of cdnv"},
    {"cdnv_fourth", "0", "cdnv with |.|^4"},
    {"within_trace", "", "tr S_W"},
    {"between_trace", "", "tr S_B"},
    {"total_trace", "", "tr S_T"},
    {"outside_span", "", "share of tr S_W outside span(S_B)"},
    {"rank", "", "numerical rank of S_B"},
    {"condition", "", "largest / smallest eigenvalue of S_B kept"},
}};

inline constexpr std::array<MetricRow, 15> kNc2Rows{{
    {"equinorm", "0", "std / mean of the norms"},
    {"equinorm_raw", "0", "the same before centring"},
    {"equiangular", "0", "std over pairs of the cosine"},
    {"max_angle", "0", "mean over pairs of |cos + 1/(P-1)|"},
    {"coherence", "-1/(P-1)", "largest pair cosine"},
    {"etf_error", "0", "|XX^T / |XX^T|_F - E|_F"},
    {"etf_floor", "", "smallest etf_error that d dimensions allow"},
    {"uniformity_distance_mean", "", "mean over pairs of D = |u - u'|, unit rows"},
    {"uniformity_distance_var", "0", "variance of the same"},
    {"uniformity_log_mean", "", "mean over pairs of log(1/D)"},
    {"uniformity_log_var", "0", "variance of the same"},
    {"uniformity_riesz_mean", "", "mean over pairs of sign(s) D^-s, s = d - 2"},
    {"uniformity_riesz_var", "0", "variance of the same"},
    {"one_vs_rest_margin", "P/(P-1)", "smallest distance of a unit row to the hull of the others"},
    {"one_vs_rest_margin_gap", "", "how far below it the true one may be"},
}};

inline constexpr std::array<MetricRow, 8> kNc3Rows{{
    {"distance", "0", "|W/|W|_F - M/|M|_F|_F"},
    {"structure_error", "0", "|WM^T / |WM^T|_F - E|_F"},
    {"cosine_mean", "1", "mean over classes of cos(w_c, M_c)"},
    {"cosine_std", "0", "std of the same"},
    {"cosine_min", "1", "smallest of the same"},
    {"uniform_duality", "0", "variance over classes of <w_c, M_c>"},
    {"bias_collapse", "0", "|W mu_G + b|"},
    {"nc0", "0", "|W^T 1| / K"},
}};

inline constexpr std::array<MetricRow, 3> kNc4Rows{{
    {"agreement", "1", "classifier decides as the nearest class mean"},
    {"ncc_accuracy", "1", "nearest class mean is the label's"},
    {"classifier_accuracy", "1", "classifier decides the label"},
}};

inline constexpr std::array<MetricRow, 3> kSpectrumRows{{
    {"effective_rank", "", "exp(entropy of the eigenvalues)"},
    {"stable_rank", "", "trace / largest eigenvalue"},
    {"participation_ratio", "", "trace^2 / |.|_F^2"},
}};

inline constexpr std::array<MetricRow, 3> kMinorityRows{{
    {"classes", "", "classes in the rarest third"},
    {"classifier_cosine", "", "mean pair cosine of their w_c"},
    {"means_cosine", "", "mean pair cosine of their M_c"},
}};

inline constexpr std::array<MetricRow, 12> kClassGroupRows{{
    {"classes", "", "classes of the group"},
    {"samples", "", "their samples"},
    {"least_count", "", "samples of the rarest of them"},
    {"most_count", "", "samples of the most frequent"},
    {"within_variance", "", "mean over classes of v_c"},
    {"quotient", "0", "the same / tr S_B"},
    {"mean_norm", "", "mean over classes of |M_c|"},
    {"weight_norm", "", "mean over classes of |w_c|"},
    {"cosine", "1", "mean over classes of cos(w_c, M_c)"},
    {"agreement", "1", "classifier decides as the nearest class mean"},
    {"ncc_accuracy", "1", "nearest class mean is the label's"},
    {"classifier_accuracy", "1", "classifier decides the label"},
}};

inline constexpr std::array<MetricRow, 1> kNc5Rows{{
    {"orthogonality", "0", "mean over train classes of |cos(mu_c, mean of this split)|"},
}};

inline constexpr std::array<MetricRow, 2> kTestCollapseRows{{
    {"weak", "0", "spread about this split's class means / tr S_B"},
    {"strong", "0", "the same about those of train"},
}};

}  // namespace ncscope::output
