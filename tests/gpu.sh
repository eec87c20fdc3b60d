#!/usr/bin/env bash
# Everything that needs a card, in one command: the conformance suite, compute-sanitizer, a round trip
# of server and command line, the benchmarks and what PyTorch does instead. Writes one JSON record.
#
#   tests/gpu.sh                          builds for this card into build/gpu, runs all of it
#   tests/gpu.sh --bundle FILE            takes a build that was carried here instead
#   tests/gpu.sh --make-bundle FILE       makes such a build; needs the toolkit, no card
#
#   --only STEPS      of tests,roundtrip,bench,torch,sanitizer; the others are in the record as skipped
#   --output DIR      folder of the record (default tests/bench/records) and of the logs, DIR/logs
#   --limit SECONDS   time for all steps together (default 540), shared out between them; the sanitizer,
#                     the last, has what is left, and a part of its tests is no failure
#   --quick           fewer and smaller benchmarks
#   --build DIR       build folder (default build/gpu); with --no-build it is taken as it is
#   --arch LIST       cards to compile for, as in CMAKE_CUDA_ARCHITECTURES (default: native; 90 in a bundle)
#   --smoke           tiny, and on the host card of tests/simt: a test of this command; needs --output
#
# Exit status: 0 no step that ran failed, 1 a step failed or there is no card, 2 bad usage. A step
# that fails does not keep the others from running. Needs python3; torch only for its step.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONDONTWRITEBYTECODE=1

usage() { sed -n '2,21s/^# \{0,1\}//p' tests/gpu.sh; }
fail() { printf 'gpu.sh: %s\n' "$*" >&2; exit "${status:-1}"; }

bundle='' make_bundle='' build=build/gpu arch='' smoke=0 no_build=0
run_options=()
while (($# > 0)); do
  case "$1" in
    -h|--help) usage; exit 0 ;;
    --quick) run_options+=("$1"); shift; continue ;;
    --smoke) smoke=1; no_build=1; run_options+=("$1"); shift; continue ;;
    --no-build) no_build=1; shift; continue ;;
    --bundle|--make-bundle|--build|--arch|--only|--output|--limit) ;;
    *) status=2 fail "unknown option '$1' (see --help)" ;;
  esac
  (($# > 1)) || status=2 fail "$1 needs a value"
  case "$1" in
    --bundle) bundle=$2 ;;
    --make-bundle) make_bundle=$2 ;;
    --build) build=$2 ;;
    --arch) arch=$2 ;;
    *) run_options+=("$1" "$2") ;;
  esac
  shift 2
done

readonly programs=(ncscope ncscope-server ncscope_kernels_tests ncscope_metrics_tests
  ncscope_program_tests ncscope_bench_cuda)

# "COMMIT" or "COMMIT dirty"; records are not part of what was measured.
stamp() {
  local commit changes
  commit=$(git rev-parse HEAD) || fail "cannot tell the commit: git rev-parse failed"
  changes=$(git status --porcelain -- . ':!tests/bench/records') ||
    fail "cannot tell the commit: git status failed"
  echo "$commit${changes:+ dirty}"
}

# build_programs ARCH [CMAKE OPTION...]
build_programs() {
  command -v nvcc >/dev/null || PATH=$PATH:/usr/local/cuda/bin
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNCSCOPE_CUDA=ON \
    -DNCSCOPE_CUDA_ARCHITECTURES="$1" "${@:2}"
  nice -n 10 cmake --build "$build" -j "${NCSCOPE_BUILD_JOBS:-$(nproc)}" \
    --target "${programs[@]}" ncscope_cuda ncscope_cuda_other_module
  stamp >"$build/stamp"
}

# Libraries that the files need, without those of the system, the compiler and CUDA.
libraries_of() {
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s|cublas|cublasLt|cusolver|cusparse|nvJitLink|cudart))\.so[^/]*$'
}

pack() {
  local file=$1 missing
  stage=$(mktemp -d)  # not local: the trap outlives the function
  trap 'rm -rf "$stage"' EXIT
  mkdir -p "$stage/bin" "$stage/lib/ncscope" "$stage/lib/tests" "$stage/lib/deps"
  cp "${programs[@]/#/$build/bin/}" "$stage/bin/"
  cp "$build/lib/ncscope/ncscope_cuda.so" "$stage/lib/ncscope/"
  cp "$build/lib/tests/ncscope_cuda_other_module.so" "$stage/lib/tests/"
  missing=$(ldd "${programs[@]/#/$build/bin/}" | grep 'not found' | grep -vE 'libcu(blas|solver)' || true)
  [[ -z $missing ]] || fail "libraries are missing: $missing"
  libraries_of "${programs[@]/#/$build/bin/}" | while read -r library; do
    cp -L "$library" "$stage/lib/deps/"
  done
  strip --strip-unneeded "$stage"/bin/* "$stage"/lib/deps/* "$stage"/lib/ncscope/*
  cp "$build/stamp" "$stage/stamp"
  mkdir -p "$(dirname "$file")"
  tar -C "$stage" --owner=0 --group=0 -cf - . | xz -T0 -6 >"$file.part"
  mv "$file.part" "$file"
  local mib=$(($(stat -c %s "$file") / 1048576))
  ((mib < 60)) || fail "$file is $mib MiB, expected less than 60"
  printf 'gpu.sh: %s: %d KiB, %s\n' "$file" "$(($(stat -c %s "$file") / 1024))" "$(<"$build/stamp")"
}

if [[ -n $make_bundle ]]; then
  if ((!no_build)); then
    build_programs "${arch:-90}" -DNCSCOPE_STATIC_GRPC=ON
  fi
  pack "$make_bundle"
  exit 0
fi

root=$build
if [[ -n $bundle ]]; then
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  # Minimal systems have no xz.
  python3 -m tarfile -e "$bundle" "$root" || fail "cannot unpack $bundle"
elif ((!no_build)); then
  mkdir -p build
  build_programs "${arch:-native}" >build/gpu-build.log 2>&1 ||
    { tail -n 40 build/gpu-build.log >&2; fail "the build failed, see build/gpu-build.log"; }
fi
# A build folder of someone else's has no stamp.
[[ -f $root/stamp ]] && built=$(<"$root/stamp") || built=$(stamp)

# CUDA's libraries are where ld.so looks, beside nvcc, or in Python's packages.
find_cuda() {
  if ldconfig -p 2>/dev/null | grep 'libcusolver\.so\.12 ' >/dev/null; then return; fi
  local folder
  for folder in /usr/local/cuda/lib64 /usr/local/cuda-*/lib64 /usr/local/cuda/lib \
    /usr/local/cuda/targets/x86_64-linux/lib \
    $(python3 -c 'import site,glob
for s in site.getsitepackages(): print(*glob.glob(s + "/nvidia/*/lib"))' 2>/dev/null); do
    if [[ -e $folder/libcusolver.so.12 ]]; then
      echo "$folder"
      return
    fi
  done
  echo "gpu.sh: CUDA's libraries are not found" >&2
}
cuda_libraries=''
((smoke)) || cuda_libraries=$(find_cuda)

python3 tests/bench/gpu_run.py --programs "$root" --built "$built" \
  --cuda-libraries "$cuda_libraries" "${run_options[@]}"
