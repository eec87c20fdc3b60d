#!/usr/bin/env bash
# The one test command: installs what is missing, builds, runs every test and counts them.
#
#   tests/run.sh            everything: release, sanitizers, Python, trainer, fuzzers for a short time
#   tests/run.sh --quick    release, Python and trainer only
#
# Environment: NCSCOPE_SKIP_INSTALL=1 leaves the system's packages alone;
# NCSCOPE_FUZZ_SECONDS is the time for each fuzzer (default 60).
set -uo pipefail
cd "$(dirname "$0")/.."

quick=0
for argument in "$@"; do
  case "$argument" in
    --quick) quick=1 ;;
    -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "run.sh: unknown option '$argument'" >&2; exit 2 ;;
  esac
done

results=build/test-results
broken=()
mkdir -p build && rm -rf "$results" && mkdir -p "$results"

step() { printf '\n== %s\n' "$*"; }
# Runs a command; remembers its name if it fails.
attempt() {
  local name=$1
  shift
  if ! "$@"; then
    broken+=("$name")
    echo "run.sh: $name failed"
    return 1
  fi
}

build_and_test() {
  local preset=$1
  step "$preset: configure, build, test"
  attempt "$preset: configure" cmake --preset "$preset" >"$results/$preset-configure.log" 2>&1 ||
    { cat "$results/$preset-configure.log"; return 1; }
  grep -E 'ncscope|device|sanitizers' "$results/$preset-configure.log"
  attempt "$preset: build" cmake --build --preset "$preset" >"$results/$preset-build.log" 2>&1 ||
    { tail -n 60 "$results/$preset-build.log"; return 1; }
  attempt "$preset: tests" ctest --preset "$preset" -j "$(nproc)" --timeout 600 \
    --output-junit "$PWD/$results/$preset.xml" >"$results/$preset-ctest.log" 2>&1
  local status=$?
  ((status == 0)) || grep -vE '^ *[0-9]+/[0-9]+ Test .* Passed|^ +Start ' "$results/$preset-ctest.log"
  grep 'tests passed' "$results/$preset-ctest.log"
  return $status
}

if [[ ${NCSCOPE_SKIP_INSTALL:-0} != 1 ]]; then
  step "system packages"
  options=(--torch)
  ((quick)) || options+=(--fuzz)
  attempt "install" docker/install-deps.sh "${options[@]}"
fi

build_and_test release

step "Python"
attempt "python" env NCSCOPE_REQUIRE_BINARIES=1 tests/python/run.sh --junitxml="$PWD/$results/python.xml"

step "Trainer"
attempt "trainer" env NCSCOPE_REQUIRE_BINARIES=1 tests/trainer/run.sh --junitxml="$PWD/$results/trainer.xml"

if ((!quick)); then
  # A report of a sanitizer is a failed test; tests/tsan.supp says what libraries TSan cannot see.
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1
  TSAN_OPTIONS+=:suppressions=$PWD/tests/tsan.supp
  build_and_test asan
  build_and_test tsan
  step "fuzzers"
  attempt "fuzz" tests/fuzz/run.sh "${NCSCOPE_FUZZ_SECONDS:-60}"
fi

step "all results"
((${#broken[@]} == 0)) || printf 'failed: %s\n' "${broken[@]}"
python3 tests/count_results.py --broken "${#broken[@]}" "$results"/*.xml
