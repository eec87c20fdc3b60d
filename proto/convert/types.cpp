#include "proto/convert/types.h"

#include <string>

#include "kernels/errors.h"

namespace ncscope {

DType from_proto(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_FLOAT32:
      return DType::kFloat32;
    case v1::DATA_TYPE_FLOAT16:
      return DType::kFloat16;
    case v1::DATA_TYPE_BFLOAT16:
      return DType::kBFloat16;
    case v1::DATA_TYPE_FLOAT64:
      return DType::kFloat64;
    default:
      throw InvalidArgument("data_type: expected FLOAT32, FLOAT16, BFLOAT16 or FLOAT64, got " +
                            std::to_string(static_cast<int>(type)));
  }
}

LabelWidth from_proto(v1::LabelType type) {
  switch (type) {
    case v1::LABEL_TYPE_INT32:
      return LabelWidth::kInt32;
    case v1::LABEL_TYPE_UNSPECIFIED:
    case v1::LABEL_TYPE_INT64:
      return LabelWidth::kInt64;
    default:
      throw InvalidArgument("label_type: expected INT32 or INT64, got " +
                            std::to_string(static_cast<int>(type)));
  }
}

Weighting from_proto(v1::Weighting weighting) {
  switch (weighting) {
    case v1::WEIGHTING_UNSPECIFIED:
    case v1::WEIGHTING_UNIFORM:
      return Weighting::kUniform;
    case v1::WEIGHTING_BY_COUNT:
      return Weighting::kByCount;
    default:
      throw InvalidArgument("weighting: expected UNIFORM or BY_COUNT, got " +
                            std::to_string(static_cast<int>(weighting)));
  }
}

void apply_choices(const v1::ReportChoices& choices, ReportOptions& options) {
  switch (choices.spectrum()) {
    case v1::SPECTRUM_CHOICE_UNSPECIFIED:
      options.spectrum = Spectrum::kAuto;
      break;
    case v1::SPECTRUM_CHOICE_NONE:
      options.spectrum = Spectrum::kNone;
      break;
    case v1::SPECTRUM_CHOICE_LEADING:
      options.spectrum = Spectrum::kLeading;
      break;
    case v1::SPECTRUM_CHOICE_ALL:
      options.spectrum = Spectrum::kAll;
      break;
    default:
      throw InvalidArgument("spectrum: expected NONE, LEADING or ALL, got " +
                            std::to_string(static_cast<int>(choices.spectrum())));
  }
  options.exact_pairs = choices.exact_pairs();
  options.standard_errors = choices.standard_errors();
  options.one_vs_rest_margin = choices.one_vs_rest_margin();
}

v1::ReportChoices choices_of(const ReportOptions& options) {
  v1::ReportChoices choices;
  switch (options.spectrum) {
    case Spectrum::kAuto:
      break;
    case Spectrum::kNone:
      choices.set_spectrum(v1::SPECTRUM_CHOICE_NONE);
      break;
    case Spectrum::kLeading:
      choices.set_spectrum(v1::SPECTRUM_CHOICE_LEADING);
      break;
    case Spectrum::kAll:
      choices.set_spectrum(v1::SPECTRUM_CHOICE_ALL);
      break;
  }
  choices.set_exact_pairs(options.exact_pairs);
  choices.set_standard_errors(options.standard_errors);
  choices.set_one_vs_rest_margin(options.one_vs_rest_margin);
  return choices;
}

v1::DataType to_proto(DType type) {
  switch (type) {
    case DType::kFloat32:
      return v1::DATA_TYPE_FLOAT32;
    case DType::kFloat16:
      return v1::DATA_TYPE_FLOAT16;
    case DType::kBFloat16:
      return v1::DATA_TYPE_BFLOAT16;
    case DType::kFloat64:
      return v1::DATA_TYPE_FLOAT64;
  }
  return v1::DATA_TYPE_UNSPECIFIED;
}

v1::LabelType to_proto(LabelWidth width) {
  return width == LabelWidth::kInt32 ? v1::LABEL_TYPE_INT32 : v1::LABEL_TYPE_INT64;
}

v1::Weighting to_proto(Weighting weighting) {
  return weighting == Weighting::kUniform ? v1::WEIGHTING_UNIFORM : v1::WEIGHTING_BY_COUNT;
}

}  // namespace ncscope
