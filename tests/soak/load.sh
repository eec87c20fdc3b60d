#!/usr/bin/env bash
# A thousand streams, thousands of connections, slow callers and bombs; arguments go to load.py.
# Needs a build; makes build/venv-tests where it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/python/run.sh --collect-only >/dev/null
build/venv-tests/bin/python tests/soak/load.py "$@"
