// From the fields of a batch, wherever they lie, to what a session takes.
#pragma once

#include <functional>

#include "kernels/admission.h"
#include "server/core/incoming.h"
#include "server/receive/batch_fields.h"

namespace ncscope::server {

// Gives memory of so many bytes, aligned to kBatchAlignment. May throw OutOfMemory.
using MakeBatchMemory = std::function<BatchMemory(size_t bytes)>;

// What admit_batch() asks for memory; 0 where the byte counts do not fit the spec.
size_t admitted_bytes(const BatchFields& fields, const BatchSpec& spec);

// Copies, checks and sums up the content in one pass. Never throws for the content: a refusal, and
// OutOfMemory, is in the batch, for whoever applies it.
IncomingBatch admit_batch(const BatchFields& fields, const BatchSpec& spec,
                          const MakeBatchMemory& make_memory);

}  // namespace ncscope::server
