#include "tests/simt/runtime/streams.h"

#include <algorithm>
#include <vector>

#include "tests/simt/runtime/card.h"

namespace ncscope::simt {
namespace {

using Clock = std::chrono::steady_clock;

struct Streams {
  CUstream_st default_stream{true, {}};
  std::vector<CUstream_st*> all{&default_stream};
  std::vector<CUevent_st*> events;
};

Streams& streams() {
  static Streams* const streams = new Streams;
  return *streams;
}

CUevent_st* find_event(cudaEvent_t event) {
  const std::vector<CUevent_st*>& events = streams().events;
  return std::find(events.begin(), events.end(), event) == events.end() ? nullptr : event;
}

bool runnable(const CUstream_st* stream) {
  if (stream->queue.empty()) return false;
  const Work& head = stream->queue.front();
  return head.awaited == nullptr || head.awaited->done >= head.number;
}

void run_head(CUstream_st* stream) {
  const Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (work.run) work.run();
  if (card().sticky != cudaSuccess) drop_queues();
}

// One step of one stream; false if none can.
bool step() {
  std::vector<CUstream_st*> ready;
  for (CUstream_st* stream : streams().all) {
    if (runnable(stream)) ready.push_back(stream);
  }
  if (ready.empty()) return false;
  size_t pick = 0;
  if (card().order == Order::kReverse) pick = ready.size() - 1;
  if (card().order == Order::kRandom) pick = card().random.below(ready.size());
  run_head(ready[pick]);
  return true;
}

// The default stream and blocking streams are never ahead of each other.
void order_with_default(CUstream_st* stream) {
  if (stream == &streams().default_stream) {
    for (CUstream_st* other : streams().all) {
      if (other->blocking && other != stream) drain_stream(other);
    }
  } else if (stream->blocking) {
    drain_stream(&streams().default_stream);
  }
}

void push(CUstream_st* stream, Work work) {
  order_with_default(stream);
  stream->queue.push_back(std::move(work));
}

cudaError_t create_event(cudaEvent_t* event, unsigned flags) {
  if (event == nullptr) return cudaErrorInvalidValue;
  const bool timed = (flags & cudaEventDisableTiming) == 0;
  *event = new CUevent_st{timed, std::make_shared<EventState>()};
  streams().events.push_back(*event);
  return cudaSuccess;
}

}  // namespace

CUstream_st* find_stream(cudaStream_t stream) {
  if (stream == nullptr) return &streams().default_stream;
  const std::vector<CUstream_st*>& all = streams().all;
  return std::find(all.begin(), all.end(), stream) == all.end() ? nullptr : stream;
}

void enqueue(CUstream_st* stream, std::function<void()> run) {
  push(stream, {std::move(run), nullptr, 0, false});
}

void drain(const std::function<bool()>& done) {
  while (!done() && step()) {
  }
}

void drain_stream(CUstream_st* stream) {
  drain([&] { return stream->queue.empty(); });
}

void drain_all() {
  while (step()) {
  }
}

void drop_queues() {
  for (CUstream_st* stream : streams().all) {
    std::deque<Work> dropped;
    dropped.swap(stream->queue);
    for (const Work& work : dropped) {
      if (work.bookkeeping) work.run();
    }
  }
}

}  // namespace ncscope::simt

using namespace ncscope::simt;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call([&] {
    if (stream == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *stream = new CUstream_st{flags != cudaStreamNonBlocking, {}};
    streams().all.push_back(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const Lock lock(card().mutex);
  CUstream_st* stream = find_stream(handle);
  if (handle == nullptr || stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  drain_stream(stream);
  std::erase(streams().all, stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call([&] {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    order_with_default(stream);
    drain_stream(stream);
    return cudaSuccess;
  });
}

// Asking again and again must come to an end, so work goes on between two questions.
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call([&] {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->queue.empty()) return cudaSuccess;
    step();
    return cudaErrorNotReady;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags) {
  return call([&] {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr || find_event(event) == nullptr) return cudaErrorInvalidResourceHandle;
    if (flags != cudaEventWaitDefault) return cudaErrorInvalidValue;
    push(stream, {nullptr, event->state, event->state->recorded, false});
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call([] {
    drain_all();
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return call([&] { return create_event(event, cudaEventDefault); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call([&] { return create_event(event, flags); });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(card().mutex);
  if (find_event(event) == nullptr) return remember(cudaErrorInvalidResourceHandle);
  std::erase(streams().events, event);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call([&] {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr || find_event(event) == nullptr) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<EventState> state = event->state;
    const uint64_t number = ++state->recorded;
    const auto mark = [state, number] {
      state->done = std::max(state->done, number);
      state->when = Clock::now();
    };
    push(stream, {mark, nullptr, 0, true});
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] {
    if (find_event(event) == nullptr) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<EventState> state = event->state;
    drain([&] { return state->done >= state->recorded; });
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call([&] {
    if (find_event(event) == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->state->done >= event->state->recorded) return cudaSuccess;
    step();
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call([&] {
    const bool valid = find_event(start) && find_event(end) && start->timed && end->timed &&
                       start->state->recorded > 0 && end->state->recorded > 0;
    if (!valid) return cudaErrorInvalidResourceHandle;
    if (milliseconds == nullptr) return cudaErrorInvalidValue;
    if (start->state->done < start->state->recorded || end->state->done < end->state->recorded) {
      return cudaErrorNotReady;
    }
    const std::chrono::duration<float, std::milli> time = end->state->when - start->state->when;
    *milliseconds = time.count();
    return cudaSuccess;
  });
}
