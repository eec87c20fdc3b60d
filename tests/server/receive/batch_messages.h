// Bytes of StreamRequest messages, right, odd and wrong.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "server/receive/pieces.h"

namespace ncscope::testing {

// A message that is a batch, or nearly one, in a layout that `random` decides.
std::string random_batch_message(std::mt19937& random);

// Pieces of a message, cut by `random`.
std::vector<server::Piece> cut(const std::string& message, std::mt19937& random);

// What disagrees between find_batch() and the parser of Protocol Buffers, or "".
std::string batch_disagreement(const std::vector<server::Piece>& pieces, const std::string& whole);

}  // namespace ncscope::testing
