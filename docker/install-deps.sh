#!/usr/bin/env bash
# Installs the system packages that ncscope is built with, on Debian 12 and Ubuntu 24.04. Images,
# CI and people use this one list. Safe to run again: what is there is left alone.
#
#   docker/install-deps.sh            what the programs and the tests are built with
#   docker/install-deps.sh --fuzz     also clang with libFuzzer, for tests/fuzz
#   docker/install-deps.sh --torch    also PyTorch, for tests/trainer
set -euo pipefail

packages=(
  # Toolchain.
  build-essential cmake ninja-build pkg-config
  # The wire: gRPC and Protocol Buffers.
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  # Numerics: OpenBLAS with POSIX threads, LAPACK's C interface.
  libopenblas-pthread-dev liblapacke-dev
  # Server: report store, options, logs, metrics, HTTP.
  libsqlite3-dev libcli11-dev libspdlog-dev libfmt-dev prometheus-cpp-dev libcpp-httplib-dev
  # Client: .npz files.
  libzip-dev zlib1g-dev
  # Tests and benchmarks.
  libgtest-dev libgmock-dev libbenchmark-dev
  # Tests: fibers of the host SIMT harness.
  libboost-context-dev
  # Python client, its tests and the quick start.
  python3 python3-venv ca-certificates
)

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

for argument in "$@"; do
  case "$argument" in
    --fuzz) packages+=(clang libclang-rt-dev) ;;
    --torch) packages+=(python3-torch) ;;
    -h|--help) usage; exit 0 ;;
    *) echo "install-deps: unknown option '$argument'" >&2; usage >&2; exit 2 ;;
  esac
done

. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
  debian:12|ubuntu:24.04) ;;
  *) echo "install-deps: made for Debian 12 and Ubuntu 24.04; this is ${PRETTY_NAME:-unknown}" >&2 ;;
esac
command -v apt-get >/dev/null || {
  echo "install-deps: expected apt-get; install the equivalents of: ${packages[*]}" >&2
  exit 1
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $status == ii* ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "install-deps: all ${#packages[@]} packages are there"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || {
    echo "install-deps: needs root, or sudo, to install: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi

echo "install-deps: installing ${#missing[@]} of ${#packages[@]} packages: ${missing[*]}"
"${as_root[@]}" apt-get -q update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -q install -y --no-install-recommends "${missing[@]}"
echo "install-deps: done"
