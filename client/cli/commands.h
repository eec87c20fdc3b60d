// The subcommands, one file each.
#pragma once

#include "client/cli/context.h"

namespace ncscope::cli {

void add_report_command(Context& context);
void add_stats_command(Context& context);
void add_merge_command(Context& context);
void add_runs_command(Context& context);
void add_show_command(Context& context);
void add_watch_command(Context& context);
void add_export_command(Context& context);
void add_series_command(Context& context);
void add_finish_command(Context& context);
void add_delete_command(Context& context);
void add_doctor_command(Context& context);

}  // namespace ncscope::cli
