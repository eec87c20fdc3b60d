#include "client/output/epoch_table.h"

#include <array>

#include "client/output/fields.h"
#include "client/output/number.h"

namespace ncscope::output {
namespace {

struct EpochColumn {
  const char* heading;
  const char* path;
};

constexpr size_t kColumnWidth = 11;

const std::array<EpochColumn, 9> kEpochColumns{{
    {"nc1.pinv", "nc1.pinv"},
    {"nc1.quot", "nc1.quotient"},
    {"nc1.cdnv", "nc1.cdnv"},
    {"nc2.etf", "nc2.means.etf_error"},
    {"nc2.angle", "nc2.means.max_angle"},
    {"nc3.dist", "nc3.distance"},
    {"nc4.agree", "nc4.agreement"},
    {"accuracy", "nc4.classifier_accuracy"},
    {"ncc acc", "nc4.ncc_accuracy"},
}};

std::string series_columns(const std::string& run, const std::string& epoch,
                           const std::string& split, const std::string& layer,
                           const std::string& samples, bool with_run) {
  return (with_run ? left(run, 20) + "  " : "") + right(epoch, 6) + "  " + left(split, 8) + "  " +
         left(layer, 10) + right(samples, 12);
}

}  // namespace

std::string epoch_header(bool with_run, const Style& style) {
  std::string text = series_columns("run", "epoch", "split", "layer", "N", with_run);
  for (const EpochColumn& column : kEpochColumns) text += right(column.heading, kColumnWidth);
  return style.heading(text) + "\n";
}

std::string epoch_row(const v1::Report& report, bool with_run) {
  const v1::SeriesKey& key = report.key();
  std::string text =
      series_columns(key.run(), std::to_string(key.epoch()), key.split(), key.layer(),
                     grouped_integer(report.data().samples()), with_run);
  for (const EpochColumn& column : kEpochColumns) {
    // Always a space between columns, however wide a number is.
    text += " " + right(short_number(number_at(report, column.path), 3), kColumnWidth - 1);
  }
  return text + (report.partial() ? "  partial" : "") + "\n";
}

}  // namespace ncscope::output
