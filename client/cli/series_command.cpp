// ncscope series: what is being streamed to a server, and what is lost.
#include <cmath>

#include "client/cli/commands.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"
#include "client/output/message_json.h"
#include "client/output/number.h"
#include "client/output/style.h"

namespace ncscope::cli {
namespace {

using v1::ListSeriesResponse;

struct SeriesCommand {
  ServerOption server;
  std::string run;
  std::string format = "table";
};

const char* state_text(ListSeriesResponse::State state) {
  switch (state) {
    case ListSeriesResponse::STATE_STREAMING:
      return "streaming";
    case ListSeriesResponse::STATE_COMPLETE:
      return "complete";
    case ListSeriesResponse::STATE_REPORTING:
      return "reporting";
    case ListSeriesResponse::STATE_LOST:
      return "lost";
    default:
      return "-";
  }
}

// The first rank that keeps the epoch from its report.
std::string missing_text(const ListSeriesResponse::Series& series) {
  for (const auto& rank : series.missing()) {
    const std::string name = "rank " + std::to_string(rank.rank());
    const std::string after = " after " + std::to_string(rank.batches()) + " batches";
    if (!rank.broken().empty()) return name + ": " + rank.broken();
    if (rank.connected()) continue;
    return name + " away for " + std::to_string(std::llround(rank.absent_seconds())) + " s" + after;
  }
  return "";
}

std::string series_table(const ListSeriesResponse& response, const output::Style& style) {
  const auto line = [](const std::string& run, const std::string& epoch, const std::string& split,
                       const std::string& layer, const std::string& state, const std::string& ranks,
                       const std::string& missing) {
    return output::left(run, 24) + output::right(epoch, 7) + "  " + output::left(split, 8) +
           output::left(layer, 12) + output::left(state, 11) + output::right(ranks, 9) + "  " +
           missing;
  };
  std::string text =
      style.heading(line("run", "epoch", "split", "layer", "state", "closed", "missing")) + "\n";
  for (const auto& series : response.series()) {
    text += line(series.key().run(), std::to_string(series.key().epoch()), series.key().split(),
                 series.key().layer(), state_text(series.state()),
                 std::to_string(series.closed_ranks()) + "/" + std::to_string(series.world_size()),
                 missing_text(series)) +
            "\n";
  }
  return text;
}

void run_series(const SeriesCommand& command) {
  client::Client client = command.server.connect();
  const ListSeriesResponse response = client.series(command.run);
  output::write_now(command.format == "json" ? output::message_json(response)
                                             : series_table(response, output::terminal_style()));
}

}  // namespace

void add_series_command(Context& context) {
  const auto options = std::make_shared<SeriesCommand>();
  CLI::App& command =
      add_subcommand(context, "series", "List what is being streamed, and what is lost",
                     [options] { run_series(*options); });
  command.add_option("RUN", options->run, "only those of this run")->type_name("");
  add_server_option(command, options->server);
  command.add_option("--format", options->format, "table or json (the ListSeriesResponse message)")
      ->type_name("")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  add_environment(command);
  command.footer("A lost epoch goes on when its rank streams again; ncscope finish reports it.");
}

}  // namespace ncscope::cli
