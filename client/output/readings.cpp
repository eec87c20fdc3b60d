#include "client/output/readings.h"

#include <array>
#include <cmath>
#include <optional>

#include "client/output/fields.h"
#include "client/output/number.h"

namespace ncscope::output {
namespace {

// Three digits: 0.31 %, 4.2e-07 %.
std::string percent(double value) { return short_number(100 * value, 3) + " %"; }

std::string number(double value) { return short_number(value, 3); }

struct Reading {
  std::string_view path;
  std::string (*words)(const v1::Report& report, double value);
};

std::string floor_text(const v1::EtfReport& etf) {
  return etf.has_etf_floor() && etf.etf_floor() > 0
             ? ", of which " + number(etf.etf_floor()) + " is for want of dimensions"
             : "";
}

std::string simplex_cosine(uint32_t vectors) {
  return vectors < 2 ? "a simplex" : "the simplex' " + number(-1.0 / (vectors - 1));
}

const std::array<Reading, 19> kReadings{{
    {"nc1.quotient",
     [](const v1::Report&, double v) {
       return "within-class variance is " + percent(v) + " of between-class variance";
     }},
    {"nc1.pinv",
     [](const v1::Report&, double v) {
       return "along the directions of the class means it is " + percent(v) +
              " of theirs on average";
     }},
    {"nc1.vci",
     [](const v1::Report&, double v) {
       return percent(v) + " of all variance along those directions is within classes";
     }},
    {"nc1.cdnv",
     [](const v1::Report&, double v) {
       return "the variance of two classes is " + percent(v) + " of their squared distance";
     }},
    {"nc2.means.equinorm",
     [](const v1::Report&, double v) {
       return "lengths of the centred class means vary by " + percent(v);
     }},
    {"nc2.means.max_angle",
     [](const v1::Report& r, double v) {
       return "their cosines are " + number(v) + " from " +
              simplex_cosine(r.data().present_classes());
     }},
    {"nc2.means.etf_error",
     [](const v1::Report& r, double v) {
       return "their frame is " + number(v) + " from a simplex" + floor_text(r.nc2().means());
     }},
    {"nc2.classifier.equinorm",
     [](const v1::Report&, double v) {
       return "lengths of the centred classifier rows vary by " + percent(v);
     }},
    {"nc2.classifier.max_angle",
     [](const v1::Report& r, double v) {
       return "their cosines are " + number(v) + " from " + simplex_cosine(r.data().num_classes());
     }},
    {"nc2.classifier.etf_error",
     [](const v1::Report& r, double v) {
       return "their frame is " + number(v) + " from a simplex" + floor_text(r.nc2().classifier());
     }},
    {"nc3.distance",
     [](const v1::Report&, double v) {
       return "classifier and class means, scaled alike, are " + number(v) +
              " apart (1.41 where unrelated)";
     }},
    {"nc3.cosine_mean",
     [](const v1::Report&, double v) {
       return "classifier row and mean of a class have a cosine of " + number(v);
     }},
    {"nc3.structure_error",
     [](const v1::Report&, double v) {
       return "their products are " + number(v) + " from those of a simplex";
     }},
    {"nc4.agreement",
     [](const v1::Report&, double v) {
       return "the classifier decides by the nearest class mean for " + percent(v) + " of samples";
     }},
    {"nc4.ncc_accuracy",
     [](const v1::Report&, double v) {
       return "the nearest class mean is right for " + percent(v);
     }},
    {"nc4.classifier_accuracy",
     [](const v1::Report&, double v) { return "the classifier is right for " + percent(v); }},
    {"nc5.orthogonality",
     [](const v1::Report&, double v) {
       return "class means of train have a cosine of +-" + number(v) +
              " with the mean of this split";
     }},
    {"test_collapse.weak",
     [](const v1::Report&, double v) {
       return "variance about this split's own class means is " + percent(v) +
              " of between-class variance";
     }},
    {"test_collapse.strong",
     [](const v1::Report&, double v) {
       return "about the class means of train it is " + percent(v);
     }},
}};

const v1::MetricHistory* history_of(const v1::Report& report, std::string_view path) {
  for (const v1::MetricHistory& history : report.dynamics().metrics()) {
    if (history.metric() == path) return &history;
  }
  return nullptr;
}

// "; lowest so far, 0.12 of the first" or "; 1.3 times its lowest, of epoch 4".
std::string course(const v1::Report& report, std::string_view path) {
  const v1::MetricHistory* history = history_of(report, path);
  // A run of one epoch has no course.
  if (history == nullptr || !history->has_best_epoch()) return "";
  const bool first = history->has_relative_to_first() && history->relative_to_first() == 1 &&
                     history->best_epoch() == report.key().epoch();
  if (first) return "";
  const bool rises = path.starts_with("nc4.") || path == "nc3.cosine_mean";
  const std::string best = rises ? "highest" : "lowest";
  std::string text;
  if (history->best_epoch() == report.key().epoch()) {
    text = "; " + best + " so far";
    if (history->has_relative_to_first()) {
      text += ", " + number(history->relative_to_first()) + " of the first";
    }
  } else if (history->has_relative_to_best()) {
    text = "; " + number(history->relative_to_best()) + " of its " + best + ", of epoch " +
           std::to_string(history->best_epoch());
  }
  if (path == "nc1.pinv" && report.dynamics().has_nc1_log10_slope()) {
    const double factor = std::pow(10.0, report.dynamics().nc1_log10_slope());
    text += std::string(factor < 1 ? "; falling" : "; rising") + " by a factor of " +
            number(factor) + " an epoch";
  }
  return text;
}

// "nc1.pinv" -> "NC1".
std::string group_name(std::string_view path) {
  if (!path.starts_with("nc")) return "test";
  return "NC" + std::string(path.substr(2, 1));
}

struct Unresolved {
  std::string_view warning;
  std::string_view path;
};

constexpr std::array<Unresolved, 12> kUnresolved{{
    {"pinv_resolution", "nc1.pinv"},
    {"vci_resolution", "nc1.vci"},
    {"outside_span_resolution", "nc1.outside_span"},
    {"input_precision", "nc1.pinv"},
    {"input_precision", "nc1.quotient"},
    {"input_precision", "nc1.vci"},
    {"input_precision", "nc1.cdnv"},
    {"input_precision", "nc1.cdnv_max"},
    {"input_precision", "nc1.cdnv_fourth"},
    {"input_precision", "nc1.within_trace"},
    {"input_precision", "test_collapse.weak"},
    {"input_precision", "test_collapse.strong"},
}};

bool warns(const v1::Report& report, std::string_view code) {
  for (const v1::Warning& warning : report.warnings()) {
    if (warning.code() == code) return true;
  }
  return false;
}

struct Sampled {
  std::string_view path;
  std::string_view error;
  std::string_view pairs;
};

constexpr std::array<Sampled, 8> kSampled{{
    {"nc1.cdnv", "nc1.cdnv_sampling_error", "nc1.sampled_pairs"},
    {"nc1.cdnv_fourth", "nc1.cdnv_fourth_sampling_error", "nc1.sampled_pairs"},
    {"nc2.means.max_angle", "nc2.means.max_angle_standard_error", "nc2.means.sampled_pairs"},
    {"nc2.means.uniformity_distance_mean", "nc2.means.uniformity_distance_standard_error",
     "nc2.means.sampled_pairs"},
    {"nc2.means.uniformity_log_mean", "nc2.means.uniformity_log_standard_error",
     "nc2.means.sampled_pairs"},
    {"nc2.classifier.max_angle", "nc2.classifier.max_angle_standard_error",
     "nc2.classifier.sampled_pairs"},
    {"nc2.classifier.uniformity_distance_mean", "nc2.classifier.uniformity_distance_standard_error",
     "nc2.classifier.sampled_pairs"},
    {"nc2.classifier.uniformity_log_mean", "nc2.classifier.uniformity_log_standard_error",
     "nc2.classifier.sampled_pairs"},
}};

std::string jackknife_note(const v1::Report& report, std::string_view path) {
  if (path != "nc1.pinv" && path != "nc1.quotient" && path != "nc1.cdnv") return "";
  const auto error = number_at(report, std::string(path) + "_standard_error");
  if (!error) return "";
  return " +- " + number(*error) + " (standard error, " +
         std::to_string(report.nc1().jackknife_groups()) + " groups)";
}

}  // namespace

std::string readings(const v1::Report& report, const Style& style) {
  std::string lines;
  for (const Reading& reading : kReadings) {
    const auto value = number_at(report, reading.path);
    if (!value) continue;
    lines += "  " + left(group_name(reading.path), 6) + reading.words(report, *value) +
             course(report, reading.path);
    if (is_unresolved(report, reading.path)) lines += style.alert(" (not resolved)");
    lines += "\n";
  }
  if (report.dynamics().has_terminal_phase_epoch()) {
    lines += "  " + left("run", 6) + "terminal phase (train error 0) since epoch " +
             std::to_string(report.dynamics().terminal_phase_epoch()) + "\n";
  }
  return lines.empty() ? "" : "\n" + style.heading("In words") + "\n" + lines;
}

bool is_unresolved(const v1::Report& report, std::string_view path) {
  for (const Unresolved& entry : kUnresolved) {
    if (entry.path == path && warns(report, entry.warning)) return true;
  }
  return false;
}

std::string error_note(const v1::Report& report, std::string_view path) {
  std::string text = jackknife_note(report, path);
  for (const Sampled& sampled : kSampled) {
    const auto error = sampled.path == path ? number_at(report, sampled.error) : std::nullopt;
    if (!error) continue;
    text += " +- " + number(*error) + " (of " +
            grouped_integer(static_cast<uint64_t>(number_at(report, sampled.pairs).value_or(0))) +
            " sampled pairs)";
  }
  return text;
}

}  // namespace ncscope::output
