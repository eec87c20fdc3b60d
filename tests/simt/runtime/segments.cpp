#include "tests/simt/runtime/segments.h"

#include <link.h>

#include <algorithm>

#include "tests/simt/runtime/kernel_data.h"

namespace ncscope::simt {
namespace {

int count_changes(dl_phdr_info* info, size_t, void* changes) {
  *static_cast<unsigned long long*>(changes) = info->dlpi_adds + info->dlpi_subs;
  return 1;
}

int collect(dl_phdr_info* info, size_t, void* found) {
  std::vector<Segment>& segments = *static_cast<std::vector<Segment>*>(found);
  // What the loader protects after relocation: constants at the start of a writable segment.
  Segment relocated;
  relocated.path = *info->dlpi_name == 0 ? "/proc/self/exe" : info->dlpi_name;
  relocated.base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_GNU_RELRO) continue;
    relocated.low = info->dlpi_addr + header.p_vaddr;
    relocated.bytes = header.p_memsz;
    segments.push_back(relocated);
  }
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    Segment segment;
    segment.path = relocated.path;
    segment.base = relocated.base;
    segment.low = info->dlpi_addr + header.p_vaddr;
    segment.bytes = header.p_memsz;
    segment.writable = (header.p_flags & PF_W) != 0;
    if (segment.low == relocated.low) {
      if (relocated.bytes >= segment.bytes) continue;
      segment.low += relocated.bytes;
      segment.bytes -= relocated.bytes;
    }
    segments.push_back(segment);
  }
  return 0;
}

}  // namespace

void Segment::find_data() { kernel_data = find_kernel_data(path, base, low, bytes, writable); }

void Segments::refresh() {
  unsigned long long changes = 0;
  dl_iterate_phdr(count_changes, &changes);
  if (changes == changes_) return;
  changes_ = changes;
  std::vector<Segment> now;
  dl_iterate_phdr(collect, &now);
  for (Segment& old : segments_) {
    if (!old.writable) continue;
    const auto same = std::find_if(now.begin(), now.end(), [&](const Segment& s) {
      return s.writable && s.low == old.low && s.bytes == old.bytes;
    });
    if (same != now.end()) {
      same->shadow = old.shadow;
    } else {
      old.shadow.release();
    }
  }
  for (Segment& segment : now) {
    const bool fresh = segment.writable && !segment.shadow.mapped();
    if (fresh) segment.shadow = Shadow(segment.low, segment.bytes, true);
  }
  segments_ = std::move(now);
  last_ = nullptr;
}

Segment* Segments::search(uintptr_t address) {
  for (Segment& segment : segments_) {
    if (address - segment.low >= segment.bytes) continue;
    return last_ = &segment;
  }
  return nullptr;
}

}  // namespace ncscope::simt
