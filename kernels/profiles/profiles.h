// Other tools' numbers, from the same state as the report's own.
#pragma once

#include "kernels/metrics/analysis.h"
#include "kernels/profiles/numbers.h"
#include "kernels/report_values.h"

namespace ncscope::profiles {

// Adds the numbers of the profile that the analysis' options name to a report that has all its
// metrics; nothing for the default one. They are of the profile's own weighting, whichever that of
// the options is. Undefined ones are named "profile.NAME".
void profile_numbers(metrics::Analysis& analysis, ReportValues& out);

// One file per profile; the table of them all is in README.md.
void papyan(Numbers& numbers);
void geometric(Numbers& numbers);
void linguistic(Numbers& numbers);
void rw(Numbers& numbers);

}  // namespace ncscope::profiles
