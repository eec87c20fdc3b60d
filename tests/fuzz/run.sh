#!/usr/bin/env bash
# Builds the libFuzzer targets with clang and runs each for some seconds (default 15) from fresh seeds.
#   tests/fuzz/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-15}
corpus=build/fuzz/corpus
log=build/fuzz-build.log

mkdir -p build
{ cmake --preset fuzz && cmake --build --preset fuzz; } >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
rm -rf "$corpus"
build/fuzz/bin/fuzz_make_corpus "$corpus"
for name in npy_header npy npz ncstats batch_fields; do
  echo "fuzz $name for $seconds s"
  build/fuzz/bin/fuzz_"$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 \
    -artifact_prefix=build/fuzz/ "$corpus/$name" >"build/fuzz/$name.log" 2>&1 ||
    { tail -n 40 "build/fuzz/$name.log"; exit 1; }
  tail -n 1 "build/fuzz/$name.log"
done
