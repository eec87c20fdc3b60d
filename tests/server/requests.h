// Messages of a stream.
#pragma once

#include <string>

#include "ncscope/v1/service.pb.h"
#include "tests/server/samples.h"

namespace ncscope::testing {

inline v1::StreamRequest open_request(const Samples& samples, const std::string& run = "run") {
  v1::StreamRequest request;
  *request.mutable_open() = open_for(samples, run);
  return request;
}

inline v1::StreamRequest batch_request(const v1::Batch& batch) {
  v1::StreamRequest request;
  *request.mutable_batch() = batch;
  return request;
}

inline v1::StreamRequest close_request(uint64_t batches) {
  v1::StreamRequest request;
  request.mutable_close()->set_batches(batches);
  return request;
}

}  // namespace ncscope::testing
