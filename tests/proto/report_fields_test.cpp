// Every path that a metric writes, or says is undefined, is a field of the Report message, of a
// type that can hold it: a new metric needs no other plumbing than its field.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <string>

#include "kernels/backend.h"
#include "ncscope/v1/report.pb.h"
#include "tests/support/layouts.h"
#include "tests/support/measure.h"

namespace ncscope::test {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The field of a path, or null.
const FieldDescriptor* field_at(const Descriptor* message, std::string path) {
  const FieldDescriptor* field = nullptr;
  while (!path.empty()) {
    if (message == nullptr) return nullptr;
    const size_t dot = path.find('.');
    field = message->FindFieldByName(path.substr(0, dot));
    if (field == nullptr) return nullptr;
    message = field->message_type();
    path = dot == std::string::npos ? "" : path.substr(dot + 1);
  }
  return field;
}

const FieldDescriptor* report_field(const std::string& path) {
  return field_at(v1::Report::descriptor(), path);
}

bool holds_integers(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ||
         field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
}

void expect_fields(const ReportValues& report) {
  for (const auto& [path, value] : report.numbers()) {
    const FieldDescriptor* field = report_field(path);
    ASSERT_NE(field, nullptr) << path;
    EXPECT_EQ(field->cpp_type(), FieldDescriptor::CPPTYPE_DOUBLE) << path;
    EXPECT_TRUE(field->has_presence()) << path << " cannot be absent";
  }
  for (const auto& [path, value] : report.integers()) {
    const FieldDescriptor* field = report_field(path);
    ASSERT_NE(field, nullptr) << path;
    EXPECT_TRUE(holds_integers(field) && !field->is_repeated()) << path;
  }
  for (const auto& [path, value] : report.pairs()) {
    for (const char* part : {".first", ".second"}) {
      const FieldDescriptor* field = report_field(path + part);
      ASSERT_NE(field, nullptr) << path << part;
      EXPECT_TRUE(holds_integers(field) && !field->is_repeated()) << path << part;
    }
  }
  for (const auto& [path, value] : report.lists()) {
    const FieldDescriptor* field = report_field(path);
    ASSERT_NE(field, nullptr) << path;
    EXPECT_TRUE(holds_integers(field) && field->is_repeated()) << path;
  }
  for (const auto& [path, list] : report.number_lists()) {
    const FieldDescriptor* field = report_field(path);
    ASSERT_NE(field, nullptr) << path;
    EXPECT_EQ(field->cpp_type(), FieldDescriptor::CPPTYPE_DOUBLE) << path;
    EXPECT_TRUE(field->is_repeated()) << path;
  }
  for (const auto& [name, column] : report.columns()) {
    const FieldDescriptor* field = field_at(v1::ClassReport::descriptor(), name);
    ASSERT_NE(field, nullptr) << "classes[]." << name;
    EXPECT_FALSE(field->is_repeated()) << name;
    for (const auto& value : column) {
      EXPECT_TRUE(value || field->has_presence()) << name << " cannot be absent";
    }
  }
  for (const Undefined& entry : report.undefined()) {
    EXPECT_NE(report_field(entry.metric), nullptr) << entry.metric;
  }
}

TEST(ReportFields, OfWholeReports) {
  const auto device = make_device(Backend::kCpu);
  const Samples samples = lay_out({"", 6, {20, 30, 0, 1, 7, 9, 12}}, DType::kFloat32);
  const Classifier classifier = classifier_along(samples, 3);
  const ReportValues report = measure(*device, samples, &classifier);
  expect_fields(report);
  EXPECT_TRUE(report.undefined().empty());
  EXPECT_GT(report.numbers().size(), 30u);
  ReportOptions options;
  options.one_vs_rest_margin = true;
  const Statistics statistics = accumulate_rows(*device, samples, 0, samples.rows());
  expect_fields(compute_report(*device, statistics, &classifier, nullptr, options));
  EXPECT_EQ(report.columns().size(), 11u);  // all of ClassReport
  EXPECT_EQ(v1::ClassReport::descriptor()->field_count(), 11);
}

TEST(ReportFields, OfReasonsForDegenerateData) {
  const auto device = make_device(Backend::kCpu);
  const std::vector<Layout> layouts = {
      {"one class", 3, {0, 9}},
      {"singletons", 3, {1, 1, 1}},
      {"one sample", 3, {1}},
      {"equal means", 3, {9, 9}, 0, 0, 0},
      {"collinear means", 3, {8, 8, 8, 8}, 0.3, 0, 1},
  };
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(layout.name);
    const Samples samples = lay_out(layout, DType::kFloat32);
    const Classifier zero{samples.num_classes,
                          samples.dim,
                          std::vector<double>(samples.num_classes * samples.dim, 0),
                          {}};
    for (const Classifier* classifier : {static_cast<const Classifier*>(nullptr), &zero}) {
      const ReportValues report = measure(*device, samples, classifier);
      expect_fields(report);
      EXPECT_FALSE(report.undefined().empty());
    }
    ReportOptions options;
    options.one_vs_rest_margin = true;
    expect_fields(compute_report(*device, accumulate_rows(*device, samples, 0, samples.rows()),
                                 nullptr, nullptr, options));
  }
}

}  // namespace
}  // namespace ncscope::test
