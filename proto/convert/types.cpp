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
