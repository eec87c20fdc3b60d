#include <benchmark/benchmark.h>

#include "tests/bench/machine.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  ncscope::bench::describe_machine();
  benchmark::RunSpecifiedBenchmarks();
}
