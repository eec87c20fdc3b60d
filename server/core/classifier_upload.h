// The classifier of a series, which ranks send in chunks.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "kernels/classifier.h"
#include "kernels/dtype.h"
#include "server/core/memory_budget.h"

namespace ncscope::server {

enum class ClassifierArray { kWeight, kBias };

// Elements [offset, offset + n) of one array.
struct ClassifierPart {
  ClassifierArray array = ClassifierArray::kWeight;
  uint64_t offset = 0;
  DType type = DType::kFloat32;
  std::span<const std::byte> data;
};

// A complete array and the memory that it takes.
struct ClassifierValues {
  std::vector<double> values;
  Reservation memory;
};

// What one rank is sending. Used by one thread at a time.
class ClassifierUpload {
 public:
  // `num_classes` K, `dim` d; samples have type `features`.
  ClassifierUpload(size_t num_classes, size_t dim, DType features, MemoryBudget& budget);

  // The array, once it is complete. Throws InvalidArgument for a wrong type or size or a value
  // that is not finite, FailedPrecondition for a gap, ResourceExhausted; nothing is then taken.
  std::optional<ClassifierValues> add(const ClassifierPart& part);

  // Throws FailedPrecondition, saying how many elements came, if an array is not complete.
  void check_complete() const;

  bool holds(const MemoryBudget& budget) const;

 private:
  struct Array {
    const char* name;
    size_t expected = 0;
    bool started = false;  // and not complete
    ClassifierValues values;
  };
  DType features_;
  MemoryBudget* budget_;
  std::array<Array, 2> arrays_;
};

uint32_t classifier_digest(const std::vector<double>& values);

// What the ranks of a series have sent. Thread-safe.
class SharedClassifier {
 public:
  // Takes a complete array, in place of an earlier one of the same rank unless another rank has
  // sent that too; a new weight takes the bias of the old one with it. Throws AlreadyExists if
  // another rank has sent a different one.
  void submit(uint32_t rank, ClassifierArray array, ClassifierValues values);

  // The same for both arrays of a classifier; where one is refused, neither is taken. The memory is
  // somebody else's.
  void submit(uint32_t rank, Classifier classifier);

  // Recognises an array that a rank sends again after its Close, also after clear(). Throws
  // AlreadyExists if it is a different one, FailedPrecondition if there is none.
  void confirm(uint32_t rank, ClassifierArray array, const std::vector<double>& values) const;

  // Whether a weight of this rank would take the bias with it, in submit().
  bool drops_bias(uint32_t rank) const;

  // CRC-32C of an array; nothing where it was not sent.
  std::optional<uint32_t> digest(ClassifierArray array) const;

  // Throws FailedPrecondition if there is a bias but no weight.
  void check_consistent() const;

  // Null where none was sent. Throws as check_consistent().
  std::optional<Classifier> get(size_t num_classes, size_t dim) const;
  bool holds(const MemoryBudget& budget) const;
  // Frees the values; the digests stay.
  void clear();

 private:
  struct Array {
    std::optional<ClassifierValues> values;
    std::optional<uint32_t> digest;
    uint32_t sender = 0;
    bool confirmed = false;  // by a second rank
    bool is_of(uint32_t rank) const { return sender == rank && !confirmed; }
  };
  // Under mutex_.
  void require_acceptable(uint32_t rank, ClassifierArray which,
                          const std::vector<double>& values) const;
  void take(uint32_t rank, ClassifierArray which, ClassifierValues values);

  mutable std::mutex mutex_;
  std::array<Array, 2> arrays_;
};

}  // namespace ncscope::server
