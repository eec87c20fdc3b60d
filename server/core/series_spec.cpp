#include "server/core/series_spec.h"

#include "kernels/errors.h"
#include "proto/convert/types.h"
#include "server/core/text.h"

namespace ncscope::server {
namespace {

void check_range(const char* what, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return;
  throw InvalidArgument(std::string("Open: expected ") + what + " in [" + std::to_string(min) +
                        ", " + std::to_string(max) + "], got " + std::to_string(value));
}

[[noreturn]] void refuse_difference(const char* what, const std::string& expected,
                                    const std::string& got) {
  throw InvalidArgument(std::string("Open: expected ") + what + " " + expected +
                        " as in the rest of the series, got " + got);
}

void require_equal(const char* what, int64_t expected, int64_t got) {
  if (expected != got) refuse_difference(what, std::to_string(expected), std::to_string(got));
}

std::string weighting_name(Weighting weighting) {
  return weighting == Weighting::kUniform ? "uniform" : "by_count";
}

std::string choices_text(const ReportOptions& options) {
  return "{" + choices_of(options).ShortDebugString() + "}";
}

bool skips_nonfinite(v1::NonfinitePolicy policy) {
  switch (policy) {
    case v1::NONFINITE_POLICY_UNSPECIFIED:
    case v1::NONFINITE_POLICY_REFUSE:
      return false;
    case v1::NONFINITE_POLICY_SKIP:
      return true;
    default:
      throw InvalidArgument("Open: expected nonfinite REFUSE or SKIP, got " +
                            std::to_string(static_cast<int>(policy)));
  }
}

}  // namespace

SeriesSpec parse_series_spec(const v1::Open& open, const Limits& limits) {
  SeriesSpec spec;
  spec.world_size = open.world_size() == 0 ? 1 : open.world_size();
  check_range("world_size", spec.world_size, 1, limits.max_world_size);
  if (open.rank() >= spec.world_size) {
    throw InvalidArgument("Open: expected rank in [0, " + std::to_string(spec.world_size) +
                          "), got " + std::to_string(open.rank()));
  }
  check_range("num_classes K", open.num_classes(), 1, limits.max_classes);
  check_range("dim d", open.dim(), 1, limits.max_dim);
  spec.num_classes = open.num_classes();
  spec.dim = open.dim();
  spec.report.weighting = from_proto(open.weighting());
  apply_choices(open.choices(), spec.report);
  spec.depth = open.depth();
  if (!open.profile().empty()) spec.report.profile = parse_profile(printable(open.profile()));
  return spec;
}

BatchSpec parse_batch_spec(const v1::Open& open) {
  BatchSpec spec;
  spec.num_classes = open.num_classes();
  spec.dim = open.dim();
  spec.type = from_proto(open.data_type());
  spec.label_width = from_proto(open.label_type());
  spec.skip_nonfinite = skips_nonfinite(open.nonfinite());
  if (open.has_ignore_index()) spec.ignore_index = open.ignore_index();
  return spec;
}

void write_batch_spec(const BatchSpec& spec, v1::Open& open) {
  open.set_data_type(to_proto(spec.type));
  open.set_label_type(to_proto(spec.label_width));
  open.set_nonfinite(spec.skip_nonfinite ? v1::NONFINITE_POLICY_SKIP : v1::NONFINITE_POLICY_REFUSE);
  open.set_ignore_index(spec.ignore_index);
}

void require_same(const SeriesSpec& series, const SeriesSpec& open) {
  require_equal("world_size", series.world_size, open.world_size);
  require_equal("num_classes K =", series.num_classes, open.num_classes);
  require_equal("dim d =", series.dim, open.dim);
  if (series.report.weighting != open.report.weighting) {
    refuse_difference("weighting", weighting_name(series.report.weighting),
                      weighting_name(open.report.weighting));
  }
  if (series.report.profile != open.report.profile) {
    refuse_difference("profile", std::string(profile_name(series.report.profile)),
                      std::string(profile_name(open.report.profile)));
  }
  if (series.report != open.report) {
    refuse_difference("choices", choices_text(series.report), choices_text(open.report));
  }
  require_equal("depth", series.depth, open.depth);
}

void require_same(const BatchSpec& series, const BatchSpec& open) {
  if (series.type != open.type) {
    refuse_difference("data_type", std::string(dtype_name(series.type)),
                      std::string(dtype_name(open.type)));
  }
  if (series.label_width != open.label_width) {
    const bool wide = series.label_width == LabelWidth::kInt64;
    refuse_difference("label_type", wide ? "int64" : "int32", wide ? "int32" : "int64");
  }
  if (series.skip_nonfinite != open.skip_nonfinite) {
    const bool skip = series.skip_nonfinite;
    refuse_difference("nonfinite", skip ? "skip" : "refuse", skip ? "refuse" : "skip");
  }
  require_equal("ignore_index", series.ignore_index, open.ignore_index);
}

}  // namespace ncscope::server
