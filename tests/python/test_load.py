"""A short run of tests/soak/load.py: a server under load serves, within its budgets of memory."""

import os
import subprocess
import sys

import pytest

from servers import ROOT, binary


@pytest.mark.parametrize(
    "scenario",
    ["streams", "idle", "flood", "slow-readers", "slow-writers", "stalled-writers", "bombs"],
)
def test_a_server_under_load_serves_within_its_budgets(tmp_path, scenario):
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    environment["NCSCOPE_SERVER_BIN"] = str(binary("ncscope-server", "NCSCOPE_SERVER_BIN"))
    command = [sys.executable, ROOT / "tests" / "soak" / "load.py", "--short", scenario]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert " MiB" in result.stdout
