// What Open fixes about a series: on this all of its ranks must agree.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/admission.h"
#include "kernels/report.h"
#include "ncscope/v1/service.pb.h"
#include "server/core/limits.h"

namespace ncscope::server {

// Of every rank.
struct SeriesSpec {
  uint32_t world_size = 1;
  uint32_t num_classes = 0;  // K
  uint32_t dim = 0;          // d
  ReportOptions report;
  uint32_t depth = 0;
};

// Checks the fields and `rank` against the limits; throws InvalidArgument naming expected and got.
SeriesSpec parse_series_spec(const v1::Open& open, const Limits& limits);

// What the batches of a series look like; of no use to a rank that contributes a state.
BatchSpec parse_batch_spec(const v1::Open& open);

// Writes the fields that parse_batch_spec() reads.
void write_batch_spec(const BatchSpec& spec, v1::Open& open);

// Throw InvalidArgument, naming the field with both values, where `open` differs from `series`.
void require_same(const SeriesSpec& series, const SeriesSpec& open);
void require_same(const BatchSpec& series, const BatchSpec& open);

}  // namespace ncscope::server
