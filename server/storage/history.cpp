#include "server/storage/history.h"

#include <array>
#include <string_view>

namespace ncscope::server {
namespace {

constexpr std::array<HistoryMetric, 21> kMetrics{{
    {"nc1.pinv", false},
    {"nc1.quotient", false},
    {"nc1.cdnv", false},
    {"nc1.vci", false},
    {"nc2.means.equinorm", false},
    {"nc2.means.equiangular", false},
    {"nc2.means.max_angle", false},
    {"nc2.means.etf_error", false},
    {"nc2.classifier.equinorm", false},
    {"nc2.classifier.equiangular", false},
    {"nc2.classifier.max_angle", false},
    {"nc2.classifier.etf_error", false},
    {"nc3.distance", false},
    {"nc3.structure_error", false},
    {"nc3.cosine_mean", true},
    {"nc4.agreement", true},
    {"nc4.ncc_accuracy", true},
    {"nc4.classifier_accuracy", true},
    {"nc5.orthogonality", false},
    {"test_collapse.weak", false},
    {"test_collapse.strong", false},
}};
static_assert(std::string_view(kMetrics[kPinvMetric].path) == "nc1.pinv");

std::optional<double> value_at(const google::protobuf::Message& root, std::string_view path) {
  const google::protobuf::Message* message = &root;
  while (true) {
    const size_t dot = path.find('.');
    const auto* field = message->GetDescriptor()->FindFieldByName(std::string(path.substr(0, dot)));
    if (!message->GetReflection()->HasField(*message, field)) return std::nullopt;
    if (dot == std::string_view::npos) return message->GetReflection()->GetDouble(*message, field);
    message = &message->GetReflection()->GetMessage(*message, field);
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

std::span<const HistoryMetric> history_metrics() { return kMetrics; }

bool is_nc4_sampled(const v1::Report& report) {
  return report.nc4().samples() > 0 && report.nc4().samples() < report.data().samples();
}

MetricValues metric_values(const v1::Report& report) {
  const bool sampled = is_nc4_sampled(report);
  MetricValues values;
  for (const HistoryMetric& metric : kMetrics) {
    const bool left_out = sampled && std::string_view(metric.path).starts_with("nc4.");
    values.push_back(left_out ? std::nullopt : value_at(report, metric.path));
  }
  return values;
}

}  // namespace ncscope::server
