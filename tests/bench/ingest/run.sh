#!/usr/bin/env bash
# Measures ingest; arguments go to ingest.py, those behind `sustained` to sustained.py. Makes
# build/venv-ingest first, with pyarrow and the Python package of this checkout, and builds the
# programs. About ten minutes.
set -euo pipefail
cd "$(dirname "$0")/../../.."

script=ingest.py
if [[ ${1:-} == sustained ]]; then
  script=sustained.py
  shift
fi
venv=build/venv-ingest
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
[[ -x $venv/bin/python ]] || "${NCSCOPE_PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -c 'import pyarrow.flight' 2>/dev/null ||
  "$venv/bin/python" -m pip install -q pyarrow || echo "run.sh: pyarrow is not to be had" >&2
"$venv/bin/python" -m pip install -q "./client/python[crc]"
"$venv/bin/python" -m pip install -q --force-reinstall --no-deps ./client/python
cmake --build build --target ncscope_bench_raw_tcp ncscope_bench_ingest_sink \
  ncscope_bench_ingest_client ncscope-server
exec "$venv/bin/python" "tests/bench/ingest/$script" "$@"
