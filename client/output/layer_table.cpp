#include "client/output/layer_table.h"

#include "client/output/number.h"

namespace ncscope::output {
namespace {

std::string value_text(bool present, double value) {
  return right(present ? short_number(value, 4) : "-", 12);
}

}  // namespace

std::string layer_table(const v1::Report& report, const Style& style) {
  if (report.layers_size() == 0) return "";
  std::string text = "\n" + style.heading("Layers") + "\n" + left("  layer", 22) +
                     right("depth", 6) + right("d", 8) + right("nc1.pinv", 12) +
                     right("nc2.etf", 12) + right("ncc acc", 12) + "\n";
  for (const v1::LayerReport& layer : report.layers()) {
    text += left("  " + layer.layer(), 22) + right(std::to_string(layer.depth()), 6) +
            right(grouped_integer(layer.dim()), 8) +
            value_text(layer.nc1().has_pinv(), layer.nc1().pinv()) +
            value_text(layer.nc2().means().has_etf_error(), layer.nc2().means().etf_error()) +
            value_text(layer.nc4().has_ncc_accuracy(), layer.nc4().ncc_accuracy()) + "\n";
  }
  return text;
}

}  // namespace ncscope::output
