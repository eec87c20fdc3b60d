// An Accumulator as bytes, and back: what a log keeps in place of the samples.
//
//   header, counts [K], settled [K] padded to 8 bytes, labels that wait [tile_fill] padded
//   likewise, r_c of the classes that have one, s_c of those that have come, q_c [K], the diagonal
//   [d], sum of squares, the rows of the tile, the scatter [d, d]
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/accumulator.h"
#include "kernels/device_checks.h"

namespace ncscope {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kPieceBytes = size_t{4} << 20;

struct Header {
  uint32_t version = kVersion;
  uint32_t on_card = 0;  // devices fill a tile each in its own way
  uint32_t type = 0;
  uint32_t compute = 0;
  uint64_t num_classes = 0;
  uint64_t dim = 0;
  uint64_t samples = 0;
  uint64_t tile_fill = 0;
  double tile_square = 0;
  uint64_t nonfinite = 0;
  uint64_t ignored = 0;
};
static_assert(sizeof(Header) == 72);

uint32_t on_card(const Device& device) { return device.info().backend == "cpu" ? 0 : 1; }

size_t padded(size_t bytes) { return (bytes + 7) / 8 * 8; }

// Calls visit(first, last) for each run of classes of which `holds` is true.
template <class Holds, class Visit>
void for_runs(size_t classes, const Holds& holds, const Visit& visit) {
  for (size_t first = 0; first < classes; ++first) {
    if (!holds(first)) continue;
    size_t last = first + 1;
    while (last < classes && holds(last)) ++last;
    visit(first, last);
    first = last;
  }
}

// Calls visit(data, bytes) for each range of device memory that an image holds, in its order.
template <class Visit>
void for_ranges(const ClassSums& sums, const Visit& visit) {
  const size_t d = sums.dim;
  const size_t w = dtype_size(sums.compute);
  const auto rows = [&](const DeviceBuffer& buffer, size_t first, size_t last, size_t size) {
    visit(buffer.as<std::byte>() + first * d * size, (last - first) * d * size);
  };
  for_runs(
      sums.num_classes, [&](size_t c) { return sums.settled[c] != 0; },
      [&](size_t first, size_t last) { rows(sums.references, first, last, w); });
  for_runs(
      sums.num_classes, [&](size_t c) { return sums.counts[c] != 0; },
      [&](size_t first, size_t last) { rows(sums.sums, first, last, sizeof(double)); });
  visit(sums.squares.as<std::byte>(), sums.num_classes * sizeof(double));
  visit(sums.column_squares.as<std::byte>(), d * sizeof(double));
  visit(sums.sum_squares.as<std::byte>(), sizeof(double));
  rows(sums.tile, 0, sums.tile_fill, w);
  rows(sums.scatter, 0, d, sizeof(double));
}

size_t image_size(const ClassSums& sums) {
  size_t bytes = sizeof(Header) + sums.num_classes * sizeof(uint64_t) + padded(sums.num_classes) +
                 padded(sums.tile_fill * sizeof(int32_t));
  for_ranges(sums, [&](const std::byte*, size_t range) { bytes += range; });
  return bytes;
}

// Counts what is read.
class Input {
 public:
  Input(uint64_t bytes, const Accumulator::Source& read) : left_(bytes), read_(read) {}
  void take(void* out, size_t bytes) {
    if (bytes > left_) {
      throw DataLoss("an image of sums ends early: expected " + std::to_string(bytes) +
                     " bytes more, got " + std::to_string(left_));
    }
    left_ -= bytes;
    if (bytes > 0) read_(out, bytes);
  }
  uint64_t left() const { return left_; }

 private:
  uint64_t left_;
  const Accumulator::Source& read_;
};

// Collects ranges of device memory into pieces, and hands over each.
class Output {
 public:
  Output(ClassSums& sums, size_t piece_bytes, const Accumulator::WithDevice& with_device,
         const Accumulator::Sink& sink)
      : sums_(sums), piece_(piece_bytes), with_device_(with_device), sink_(sink) {}

  void add(const std::byte* data, size_t bytes) {
    while (bytes > 0) {
      const size_t part = std::min(bytes, piece_.size() - filled_);
      copies_.push_back({data, filled_, part});
      filled_ += part;
      data += part;
      bytes -= part;
      if (filled_ == piece_.size()) flush();
    }
  }
  void flush() {
    if (filled_ == 0) return;
    with_device_([&](Device& device) {
      device.await(sums_);
      for (const Copy& copy : copies_) {
        device.copy_to_host(piece_.data() + copy.place, copy.data, copy.bytes);
      }
    });
    sink_(std::span(piece_).first(filled_));
    filled_ = 0;
    copies_.clear();
  }

 private:
  struct Copy {
    const std::byte* data;
    size_t place;
    size_t bytes;
  };
  ClassSums& sums_;
  std::vector<std::byte> piece_;
  const Accumulator::WithDevice& with_device_;
  const Accumulator::Sink& sink_;
  size_t filled_ = 0;
  std::vector<Copy> copies_;
};

void require_same(const char* what, const std::string& expected, const std::string& got) {
  if (expected == got) return;
  throw InvalidArgument("an image of sums: expected " + std::string(what) + " " + expected +
                        ", got " + got);
}

std::string kind(uint32_t on_card) { return on_card == 0 ? "cpu" : "cuda"; }

void check_header(const Header& header, const ClassSums& sums, const Device& device) {
  require_same("version", std::to_string(kVersion), std::to_string(header.version));
  require_same("sums of backend", kind(on_card(device)), kind(header.on_card));
  require_same("K x d of", check::shape_text(sums.num_classes, sums.dim),
               check::shape_text(header.num_classes, header.dim));
  const auto name = [](uint32_t type) {
    return type <= static_cast<uint32_t>(DType::kFloat64) ? dtype_name(static_cast<DType>(type))
                                                          : std::string_view("unknown");
  };
  require_same("samples in", std::string(dtype_name(sums.type)), std::string(name(header.type)));
  require_same("products in", std::string(dtype_name(sums.compute)),
               std::string(name(header.compute)));
  if (header.tile_fill >= kTileRows) {
    throw DataLoss("an image of sums: expected fewer than " + std::to_string(kTileRows) +
                   " rows that wait, got " + std::to_string(header.tile_fill));
  }
}

void check_labels(const ClassSums& sums) {
  for (const int32_t label : sums.waiting) {
    if (label < 0 || static_cast<size_t>(label) < sums.num_classes) continue;
    throw DataLoss("an image of sums: expected rows that wait for a class below " +
                   std::to_string(sums.num_classes) + ", got " + std::to_string(label));
  }
}

}  // namespace

size_t Accumulator::image_bytes() const { return image_size(sums_); }

void Accumulator::save(const WithDevice& with_device, const Sink& sink) {
  Header header;
  with_device([&](Device& device) { header.on_card = on_card(device); });
  header.type = static_cast<uint32_t>(sums_.type);
  header.compute = static_cast<uint32_t>(sums_.compute);
  header.num_classes = sums_.num_classes;
  header.dim = sums_.dim;
  header.samples = sums_.samples;
  header.tile_fill = sums_.tile_fill;
  header.tile_square = sums_.tile_square;
  header.nonfinite = dropped_.nonfinite;
  header.ignored = dropped_.ignored;
  const auto host = [&](const auto& values) {
    constexpr std::byte kPadding[8] = {};
    const auto bytes = std::as_bytes(std::span(values));
    sink(bytes);
    sink(std::span(kPadding).first(padded(bytes.size()) - bytes.size()));
  };
  sink(std::as_bytes(std::span(&header, 1)));
  host(sums_.counts);
  host(sums_.settled);
  host(sums_.waiting);
  Output output(sums_, std::min(kPieceBytes, image_bytes()), with_device, sink);
  for_ranges(sums_, [&](const std::byte* data, size_t bytes) { output.add(data, bytes); });
  output.flush();
}

void Accumulator::load(Device& device, uint64_t bytes, const Source& read) {
  Input input(bytes, read);
  Header header;
  input.take(&header, sizeof(header));
  check_header(header, sums_, device);
  const auto host = [&](auto& values, size_t count) {
    values.resize(count);
    const size_t size = count * sizeof(values[0]);
    input.take(values.data(), size);
    std::byte padding[8];
    input.take(padding, padded(size) - size);
  };
  host(sums_.counts, sums_.num_classes);
  host(sums_.settled, sums_.num_classes);
  host(sums_.waiting, header.tile_fill);
  check_labels(sums_);
  sums_.samples = header.samples;
  sums_.tile_fill = header.tile_fill;
  sums_.tile_square = header.tile_square;
  dropped_ = {header.nonfinite, header.ignored};
  const size_t expected = image_bytes();
  if (bytes != expected) {
    throw DataLoss("an image of sums: expected " + std::to_string(expected) + " bytes, got " +
                   std::to_string(bytes));
  }
  std::vector<std::byte> piece(std::min(kPieceBytes, expected));
  for_ranges(sums_, [&](std::byte* data, size_t size) {
    for (size_t done = 0; done < size; done += piece.size()) {
      const size_t part = std::min(piece.size(), size - done);
      input.take(piece.data(), part);
      device.copy_to_device(data + done, piece.data(), part);
    }
  });
}

}  // namespace ncscope
