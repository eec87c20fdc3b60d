#!/usr/bin/env bash
# Kills the server and its clients at 500 random moments, at 200 more while logs are written anew,
# then at every failpoint; arguments go to crash.py. Needs a build; makes build/venv-tests where it is
# missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/python/run.sh --collect-only >/dev/null
build/venv-tests/bin/python tests/soak/crash.py "$@"
(($# > 0)) || {
  build/venv-tests/bin/python tests/soak/crash.py --kills 200 --log-budget 1500000
  build/venv-tests/bin/python tests/soak/crash.py --failpoints
}
