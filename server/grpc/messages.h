// From messages to what the engine takes, and back.
#pragma once

#include "ncscope/v1/service.pb.h"
#include "server/core/classifier_upload.h"
#include "server/core/incoming.h"

namespace ncscope::server {

// Admits the content, into memory from the heap.
IncomingBatch incoming_batch(const v1::Batch& batch, const BatchSpec& spec);
// Throws InvalidArgument for an unknown array or type.
ClassifierPart incoming_part(const v1::ClassifierChunk& chunk);

void write_closed(const CloseResult& result, v1::Closed& closed);

}  // namespace ncscope::server
