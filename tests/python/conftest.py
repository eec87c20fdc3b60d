"""Fixtures of all tests: see servers.py."""

from servers import client, own_server, run_name, server

__all__ = ["client", "own_server", "run_name", "server"]
