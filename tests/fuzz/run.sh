#!/usr/bin/env bash
# Builds the libFuzzer targets with clang and runs each for some seconds (default 60) from fresh
# seeds, as many at once as there are processors. What failed is said at the end, one by one.
#   tests/fuzz/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
targets=(npy_header npy npz ncstats batch_fields epoch_log epoch_restore)
corpus=build/fuzz/corpus
log=build/fuzz-build.log

mkdir -p build
{ cmake --preset fuzz && cmake --build --preset fuzz; } >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
rm -rf "$corpus" build/fuzz/*.failed
build/fuzz/bin/fuzz_make_corpus "$corpus"

# Targets that need a folder get one in memory.
[[ -d /dev/shm && -w /dev/shm ]] && export TMPDIR=/dev/shm

# shellcheck disable=SC2317  # xargs calls it
fuzz() {
  local name=$1 seconds=$2 corpus=$3
  echo "fuzz $name for $seconds s"
  build/fuzz/bin/fuzz_"$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 \
    -artifact_prefix="build/fuzz/$name-" "$corpus/$name" >"build/fuzz/$name.log" 2>&1 ||
    touch "build/fuzz/$name.failed"
}
export -f fuzz
printf '%s\n' "${targets[@]}" |
  xargs -P "$(nproc)" -I{} bash -c 'fuzz "$@"' fuzz {} "$seconds" "$corpus"

status=0
for name in "${targets[@]}"; do
  if [[ -e build/fuzz/$name.failed ]]; then
    printf '\n== fuzz %s failed; the end of build/fuzz/%s.log:\n' "$name" "$name"
    tail -n 40 "build/fuzz/$name.log"
    status=1
  else
    echo "$name: $(tail -n 1 "build/fuzz/$name.log")"
  fi
done
exit $status
