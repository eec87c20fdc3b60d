// Every metric of a report: one function, one file, one test file of the same name. Each writes its
// fields, or says why they are undefined. compute_report() calls them in this order.
#pragma once

#include "kernels/metrics/analysis.h"
#include "kernels/report_values.h"

namespace ncscope::metrics {

void data_summary(Analysis& analysis, ReportValues& out);  // data.*
void nc1_traces(Analysis& analysis,
                ReportValues& out);  // within/between/total_trace, quotient, precision_floor
void nc1_pinv(Analysis& analysis,
              ReportValues& out);                     // pinv, rank, cutoff, condition, outside_span
void nc1_vci(Analysis& analysis, ReportValues& out);  // vci
void nc1_cdnv(Analysis& analysis,
              ReportValues& out);  // cdnv, cdnv_max, cdnv_worst_pair, cdnv_fourth
void nc2_means(Analysis& analysis, ReportValues& out);       // nc2.means.*
void nc2_classifier(Analysis& analysis, ReportValues& out);  // nc2.classifier.*
void nc3(Analysis& analysis, ReportValues& out);             // nc3.*
void nc4(Analysis& analysis, ReportValues& out);             // nc4.*
void nc5(Analysis& analysis, ReportValues& out);             // nc5.orthogonality
void test_collapse(Analysis& analysis, ReportValues& out);   // test_collapse.*
void spectrum(Analysis& analysis, ReportValues& out);        // spectrum.*
void minority(Analysis& analysis, ReportValues& out);        // minority.*
void class_groups(Analysis& analysis, ReportValues& out);    // class_groups.*
void classes(Analysis& analysis, ReportValues& out);         // classes[]

}  // namespace ncscope::metrics
