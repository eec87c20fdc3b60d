#!/usr/bin/env bash
# Runs the tests of what a trainer computes itself, with torch, against build/bin/ncscope-server;
# arguments go to pytest. Makes build/venv-trainer first, or brings it up to date.
#
# Environment: NCSCOPE_TRAINER_PYTHON is an interpreter that has torch and numpy (default
# /usr/bin/python3, whose torch docker/install-deps.sh --torch installs). NCSCOPE_SERVER_BIN names
# another server; without one the tests that need it are skipped, and fail with
# NCSCOPE_REQUIRE_BINARIES=1.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${NCSCOPE_TRAINER_PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import torch' 2>/dev/null; then
  echo "tests/trainer: $python has no torch: install it by docker/install-deps.sh --torch, or name" \
    "another interpreter by NCSCOPE_TRAINER_PYTHON" >&2
  exit 1
fi

venv=build/venv-trainer
mkdir -p build
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

# Installs anew where the sources of the package or the interpreter have changed.
interpreter=$("$python" -c 'import sys, torch; print(sys.prefix, sys.version, torch.__version__)')
wanted=$(find client/python proto/ncscope tests/trainer/requirements*.txt -type f \
  -not -path '*/src/ncscope/v1/*' -not -path '*/.*_cache/*' -not -name '*.pyc' -print0 |
  sort -z | xargs -0 sha256sum | sha256sum)
if [[ ! -f $venv/interpreter || $(<"$venv/interpreter") != "$interpreter" ]]; then
  rm -rf "$venv"
  "$python" -m venv --system-site-packages "$venv" || { rm -rf "$venv"; exit 1; }
  # Where the interpreter is that of a virtual environment, what that has is seen here too.
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$python" -c 'import site; print("\n".join(site.getsitepackages()))' >"$site/trainer.pth"
  echo "$interpreter" >"$venv/interpreter"
fi
if [[ ! -f $venv/stamp || $(<"$venv/stamp") != "$wanted" ]]; then
  echo "tests/trainer: setting up $venv"
  rm -f "$venv/stamp"
  "$venv/bin/python" -m pip install -q -r tests/trainer/requirements.txt
  adapters=tests/trainer/requirements-adapters.txt
  if [[ $("$python" -c 'import torch; print(torch.__version__)') != 1.* ]]; then
    sed '/numpy/d; s/[=<].*//' "$adapters" >"$venv/adapters.txt"  # newest, for a new torch
    adapters=$venv/adapters.txt
  fi
  "$venv/bin/python" -m pip install -q -r "$adapters"
  "$venv/bin/python" -m pip install -q "./client/python[crc]"
  "$venv/bin/python" -m pip install -q --force-reinstall --no-deps ./client/python
  echo "$wanted" >"$venv/stamp"
fi

exec "$venv/bin/python" -m pytest -p no:cacheprovider -q -rs tests/trainer "$@"
