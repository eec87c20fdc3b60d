"""A short run of tests/soak/crash.py: what was acknowledged survives kills, and counts once."""

import os
import subprocess
import sys

import pytest

from servers import ROOT, binary


@pytest.mark.parametrize(
    "options",
    [
        ("--kills", "12", "--seed", "2"),
        ("--kills", "12", "--seed", "3", "--durability", "os"),
        ("--kills", "12", "--seed", "4", "--log-budget", "1500000"),
        ("--failpoints", "--once"),
    ],
    ids=["fsync", "os", "budget", "failpoints"],
)
def test_reports_are_those_of_an_undisturbed_server(tmp_path, options):
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    environment["NCSCOPE_SERVER_BIN"] = str(binary("ncscope-server", "NCSCOPE_SERVER_BIN"))
    command = [sys.executable, ROOT / "tests" / "soak" / "crash.py", *options]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert "all reports equal" in result.stdout
