"""Fixtures of all tests: those of tests/python, whose modules the tests here use too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))

from servers import client, own_server, run_name, server

__all__ = ["client", "own_server", "run_name", "server"]
