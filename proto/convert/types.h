// Enumerations of the wire and of the numeric library, in both directions.
#pragma once

#include "kernels/admission.h"
#include "kernels/dtype.h"
#include "kernels/report.h"
#include "ncscope/v1/types.pb.h"

namespace ncscope {

// Throw InvalidArgument naming the value where it is unspecified (data types) or unknown.
DType from_proto(v1::DataType type);
LabelWidth from_proto(v1::LabelType type);      // unspecified: kInt64
Weighting from_proto(v1::Weighting weighting);  // unspecified: kUniform

// `choices` into the options, whose weighting is left as it is. Throws InvalidArgument.
void apply_choices(const v1::ReportChoices& choices, ReportOptions& options);
v1::ReportChoices choices_of(const ReportOptions& options);

v1::DataType to_proto(DType type);
v1::LabelType to_proto(LabelWidth width);
v1::Weighting to_proto(Weighting weighting);

}  // namespace ncscope
