// Reads a whole data set as `ncscope report` does before it computes.
#pragma once

#include "client/files/samples.h"
#include "kernels/errors.h"

namespace ncscope::fuzz {

// Refusals are right; anything else is a finding.
inline void read_data_set(const files::SampleSources& sources) {
  try {
    const files::SampleSet set(sources);
    set.check_labels(std::nullopt, -100);
    files::SampleReader reader(set, 16);
    files::SampleBlock block;
    while (reader.next(block)) {
    }
  } catch (const Error&) {
  }
}

}  // namespace ncscope::fuzz
