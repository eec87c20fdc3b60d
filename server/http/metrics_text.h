// The server's counters in the text format of Prometheus.
#pragma once

#include <string>

#include "server/core/engine.h"

namespace ncscope::server {

std::string metrics_text(Engine& engine);

}  // namespace ncscope::server
