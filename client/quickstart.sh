#!/usr/bin/env bash
# Shows ncscope at work, from a fresh Debian 12 or Ubuntu 24.04: installs, builds, starts a server on
# loopback, trains a small network on handwritten digits until it collapses, prints the table of
# NC1..NC4, and stops what it started.
#
#   client/quickstart.sh
#
# The table goes to standard output, progress to standard error, all else to build/quickstart.log.
# Nothing outside build/ changes but system packages, which NCSCOPE_SKIP_INSTALL=1 leaves alone.
# NCSCOPE_QUICKSTART_EPOCHS (default 600) is how long to train; NCSCOPE_BACKEND (default auto) is
# the server's device.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  '') ;;
  -h|--help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) echo "quickstart: expected no arguments, got '$1' (see --help)" >&2; exit 2 ;;
esac

readonly log=build/quickstart.log venv=build/venv data=build/quickstart-data run=digits
readonly epochs=${NCSCOPE_QUICKSTART_EPOCHS:-600}
readonly server_log=$data/server.log ports=$data/ports
server=''

mkdir -p build "$data"
: >"$log"
export PIP_CACHE_DIR=$PWD/build/pip-cache PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

say() { printf 'quickstart: %s\n' "$*" >&2; }

finish() {
  local status=$?
  trap - EXIT
  if [[ -n $server ]]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if ((status == 130 || status == 143)); then
    say "interrupted; the server is stopped"
  elif ((status != 0)); then
    say "failed (exit $status)"
    if [[ -n $server ]]; then
      say "the last lines of $server_log:"
      tail -n 20 "$server_log" >&2 || true
    else
      say "the last lines of $log:"
      tail -n 30 "$log" >&2 || true
    fi
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A step whose output is of interest only if it fails.
step() {
  say "$1 ..."
  shift
  printf '\n$ %s\n' "$*" >>"$log"
  "$@" >>"$log" 2>&1
}

build_server() {
  cmake --preset release && cmake --build build --target ncscope-server ncscope
}

# Installs the package anew where its sources have changed.
prepare_python() {
  local wanted
  wanted=$(find client/python proto/ncscope -type f -not -path '*/src/ncscope/v1/*' \
    -not -path '*/.*_cache/*' -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  if [[ -f $venv/stamp && $(<"$venv/stamp") == "$wanted" ]]; then
    return
  fi
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install scikit-learn ./client/python
  echo "$wanted" >"$venv/stamp"
}

# Starts the server on free ports, which it writes to a file once it serves; sets `address`.
start_server() {
  rm -f "$ports"
  build/bin/ncscope-server --listen 127.0.0.1:0 --http 127.0.0.1:0 --data "$data" \
    --port-file "$ports" --backend "${NCSCOPE_BACKEND:-auto}" >"$server_log" 2>&1 &
  server=$!
  for ((tries = 0; tries < 600; ++tries)); do
    [[ -s $ports ]] && break
    kill -0 "$server" 2>/dev/null || { say "the server did not start"; return 1; }
    sleep 0.05
  done
  [[ -s $ports ]] || { say "the server did not start within 30 s"; return 1; }
  address=$(sed -n 's/^grpc //p' "$ports")
}

if [[ ${NCSCOPE_SKIP_INSTALL:-0} != 1 ]]; then
  step "installing system packages that are missing" docker/install-deps.sh
fi
step "building (minutes the first time; tail -f $log shows how far)" build_server
step "preparing Python in $venv" prepare_python
say "starting a server on loopback, data in $data"
start_server
say "training on handwritten digits, streaming train and test split of each measured epoch to $address"
OPENBLAS_NUM_THREADS=1 "$venv/bin/python" client/python/examples/digits.py \
  --address "$address" --run "$run" --epochs "$epochs"
show=(build/bin/ncscope show "$run" --epoch "$epochs" --split train --server "$address")
say "the last epoch from the command line: ${show[*]}"
echo
"${show[@]}"
say "done; stopping the server. Everything is in build/ ($log, $data)"
