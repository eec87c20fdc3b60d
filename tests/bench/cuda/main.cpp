// ncscope_bench_cuda: what the card does of what it could do, as JSON; see tests/bench/README.md.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/bench/cuda/harness.h"

namespace ncscope::bench {
namespace {

struct Options {
  Mode mode = Mode::kFull;
  std::string output;
  std::string only;
  double limit_s = 480;
};

struct Section {
  const char* name;
  void (*measure)(Harness& harness);
};

constexpr Section kSections[] = {{"ceilings", measure_ceilings},
                                 {"scatter", measure_scatter},
                                 {"epoch", measure_epoch},
                                 {"ingest", measure_ingest},
                                 {"shift", measure_shift},
                                 {"finalize", measure_finalize},
                                 {"decisions", measure_decisions},
                                 {"pairs", measure_pairs},
                                 {"ceilings_again", measure_ceilings}};

int usage(std::ostream& out, int status) {
  out << "Usage: ncscope_bench_cuda [--quick | --smoke] [--only SECTION] [--limit SECONDS]\n"
         "                          [--output FILE]\n"
         "Sections:";
  for (const Section& section : kSections) out << " " << section.name;
  out << "\nExit status: 0 done, 1 a section failed or a result is wrong, 2 bad usage.\n";
  return status;
}

void describe(Record& record, cuda::Card& card) {
  const DeviceInfo info = cuda::CudaDevice(card).info();
  record.describe("name", info.name);
  record.describe("driver", info.driver);
  for (const std::string& library : info.libraries) {
    record.describe(library.substr(0, library.rfind(' ')), library.substr(library.rfind(' ') + 1));
  }
  record.describe("multiprocessors", std::to_string(info.parallelism));
  size_t free_bytes = 0, total_bytes = 0;
  NCSCOPE_CUDA_TRY(cudaMemGetInfo(&free_bytes, &total_bytes));
  record.describe("memory_bytes", std::to_string(total_bytes));
}

// Each time anew, so that a run that is ended leaves what it has found.
bool write(const Record& record, const std::string& path) {
  const std::string part = path + ".part";
  std::ofstream out(part);
  record.write(out);
  out.close();
  return !out.fail() && std::rename(part.c_str(), path.c_str()) == 0;
}

int run(const Options& options) {
  constexpr const char* kModes[] = {"smoke", "quick", "full"};
  Record record(kModes[static_cast<int>(options.mode)]);
  const double start = now_s();
  {
    Harness harness(options.mode, record);
    describe(record, harness.card);
    for (const Section& section : kSections) {
      // Shares need both, whatever the time: they take seconds.
      const bool is_ceiling = section.measure == measure_ceilings;
      const bool wanted = options.only.empty() || options.only == section.name || is_ceiling;
      if (!wanted) {
        record.skip(section.name, "not asked for", false);
        continue;
      }
      if (!is_ceiling && now_s() - start > options.limit_s) {
        record.skip(section.name, "the time limit has passed", false);
        continue;
      }
      try {
        section.measure(harness);
      } catch (const std::exception& error) {
        record.skip(section.name, error.what(), true);
      }
      record.describe("seconds", std::to_string(now_s() - start));
      if (!options.output.empty()) write(record, options.output);
    }
  }
  if (options.output.empty()) {
    record.write(std::cout);
  } else if (!write(record, options.output)) {
    std::cerr << "ncscope_bench_cuda: cannot write " << options.output << "\n";
    return 1;
  }
  return record.failed() ? 1 : 0;
}

}  // namespace
}  // namespace ncscope::bench

int main(int argc, char** argv) {
  using namespace ncscope::bench;
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--help" || argument == "-h") return usage(std::cout, 0);
    if (argument == "--quick") {
      options.mode = Mode::kQuick;
    } else if (argument == "--smoke") {
      options.mode = Mode::kSmoke;
    } else if (argument == "--only" && has_value) {
      options.only = argv[++i];
    } else if (argument == "--limit" && has_value) {
      options.limit_s = std::atof(argv[++i]);
    } else if (argument == "--output" && has_value) {
      options.output = argv[++i];
    } else {
      return usage(std::cerr, 2);
    }
  }
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::cerr << "ncscope_bench_cuda: " << error.what() << "\n";
    return 1;
  }
}
