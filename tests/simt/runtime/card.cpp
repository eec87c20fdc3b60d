#include "tests/simt/runtime/card.h"

#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "tests/simt/runtime/streams.h"

namespace ncscope::simt {
namespace {

uint64_t number_of(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

// NCSCOPE_SIMT_FAULT, "kind:n:code".
void plan_from_environment(std::vector<PlannedFault>& faults) {
  const char* text = std::getenv("NCSCOPE_SIMT_FAULT");
  if (text == nullptr || *text == 0) return;
  static constexpr const char* kKinds[] = {"launch", "malloc", "pinned",
                                           "memcpy", "blas",   "solver"};
  char name[16] = {};
  int n = 0;
  int code = 0;
  if (std::sscanf(text, "%15[a-z]:%d:%d", name, &n, &code) == 3) {
    for (int kind = 0; kind < 6; ++kind) {
      if (std::string(name) == kKinds[kind]) {
        faults.push_back({static_cast<Fault>(kind), n, code});
        return;
      }
    }
  }
  std::fprintf(stderr, "simt: expected NCSCOPE_SIMT_FAULT=kind:n:code, got '%s'\n", text);
  std::abort();
}

}  // namespace

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

Walk::Walk(uint64_t n, Order order, Random& random) : n_(n) {
  if (n < 2 || order == Order::kForward) return;
  if (order == Order::kReverse) {
    at_ = step_ = n - 1;
    return;
  }
  at_ = random.next() % n;
  do {
    step_ = 1 + random.next() % (n - 1);
  } while (std::gcd(step_, n) != 1);
}

Card::Card()
    : random(number_of("NCSCOPE_SIMT_SEED", 1)),
      memory_bytes(number_of("NCSCOPE_SIMT_MEMORY", size_t{4} << 30)),
      devices(static_cast<int>(number_of("NCSCOPE_SIMT_DEVICES", 1))) {
  if (number_of("NCSCOPE_SIMT_LATE_COPIES", 0) != 0) copies = Copies::kLate;
  plan_from_environment(faults);
}

Card& card() {
  static Card* const card = new Card;
  return *card;
}

int take_fault(Fault kind) {
  std::vector<PlannedFault>& faults = card().faults;
  for (size_t i = 0; i < faults.size(); ++i) {
    if (faults[i].kind != kind || --faults[i].calls_left > 0) continue;
    const int code = faults[i].code;
    faults.erase(faults.begin() + static_cast<std::ptrdiff_t>(i));
    return code;
  }
  return 0;
}

bool is_sticky(int code) {
  return code == cudaErrorECCUncorrectable || code == cudaErrorUnknown ||
         (code >= 700 && code <= 719 && code != cudaErrorLaunchOutOfResources);
}

void report(Finding finding, cudaError_t error) {
  std::fprintf(stderr, "simt: %s\n", finding.text.c_str());
  card().findings.push_back(std::move(finding));
  if (card().sticky == cudaSuccess) card().sticky = error;
}

cudaError_t& last_error() {
  thread_local cudaError_t last = cudaSuccess;
  return last;
}

cudaError_t remember(cudaError_t error) {
  // Not being ready is an answer rather than an error.
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error() = error;
  return error;
}

std::vector<Finding> findings() {
  const Lock lock(card().mutex);
  return card().findings;
}

void clear_findings() {
  const Lock lock(card().mutex);
  card().findings.clear();
}

void reset() {
  const Lock lock(card().mutex);
  drop_queues();
  card().faults.clear();
  card().sticky = cudaSuccess;
  last_error() = cudaSuccess;
}

void set_order(Order order, uint64_t seed) {
  const Lock lock(card().mutex);
  card().order = order;
  card().random = Random(seed);
}

void set_copies(Copies copies) {
  const Lock lock(card().mutex);
  card().copies = copies;
}

void inject(Fault kind, int n, int code) {
  const Lock lock(card().mutex);
  card().faults.push_back({kind, n, code});
}

void set_memory(size_t bytes) {
  const Lock lock(card().mutex);
  card().memory_bytes = bytes;
}

void set_devices(int count) {
  const Lock lock(card().mutex);
  card().devices = count;
}

}  // namespace ncscope::simt
