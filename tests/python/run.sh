#!/usr/bin/env bash
# Runs the Python tests against build/bin/ncscope-server and build/bin/ncscope; arguments go to
# pytest. Makes build/venv-tests first, or brings it up to date.
#
# Environment: NCSCOPE_SERVER_BIN and NCSCOPE_BIN name other binaries; without binaries the tests
# that need them are skipped, and fail with NCSCOPE_REQUIRE_BINARIES=1. NCSCOPE_PYTHON is the
# interpreter (default python3).
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=build/venv-tests
mkdir -p build
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

# Installs anew where the sources of the package have changed.
wanted=$(find client/python proto/ncscope tests/python/requirements.txt -type f \
  -not -path '*/src/ncscope/v1/*' -not -path '*/.*_cache/*' -not -name '*.pyc' -print0 |
  sort -z | xargs -0 sha256sum | sha256sum)
if [[ ! -f $venv/stamp || $(<"$venv/stamp") != "$wanted" ]]; then
  echo "tests/python: setting up $venv"
  if [[ ! -x $venv/bin/python ]]; then
    rm -rf "$venv"
    "${NCSCOPE_PYTHON:-python3}" -m venv "$venv" || { rm -rf "$venv"; exit 1; }
  fi
  rm -f "$venv/stamp"
  "$venv/bin/python" -m pip install -q -r tests/python/requirements.txt
  "$venv/bin/python" -m pip install -q "./client/python[crc]"
  "$venv/bin/python" -m pip install -q --force-reinstall --no-deps ./client/python
  echo "$wanted" >"$venv/stamp"
fi

exec "$venv/bin/python" -m pytest -p no:cacheprovider -q -rs tests/python "$@"
