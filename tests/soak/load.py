"""Puts a server under more load than it may take, and looks what it takes of memory.

    load.py [--short] [SCENARIO ...]

Each scenario runs against a server of its own. But for `streams`, a client that behaves must be
served meanwhile, or right afterwards, and get the report that it always gets. Resident memory must stay below
what the server's budgets add up to, and 100 MB, above that of a server that has done nothing.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import load_bombs
import load_connections
import load_peers
import load_streams
from loaded_server import LoadError

# For each scenario its function, what it is called with, and the same for a short run.
SCENARIOS = {
    "streams": (load_streams.streams, (1000,), (1000,)),
    "idle": (load_connections.idle, (3000,), (3000,)),
    "flood": (load_connections.flood, (3000,), (500,)),
    "slow-readers": (load_peers.slow_readers, (200, 4_000, 120), (100, 2_000, 30)),
    "slow-writers": (load_peers.slow_writers, (250, 60), (200, 3)),
    "stalled-writers": (load_peers.stalled_writers, (200, 60), (60, 10)),
    "bombs": (load_bombs.bombs, (20,), (4,)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="less of it, for every day")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default: all")
    options = parser.parse_args()
    if unknown := set(options.scenario) - set(SCENARIOS):
        parser.error(f"expected scenarios of {', '.join(SCENARIOS)}, got {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as place:
        for name in options.scenario or SCENARIOS:
            scenario, all_of_it, less = SCENARIOS[name]
            try:
                scenario(Path(place), *(less if options.short else all_of_it))
            except LoadError as error:
                sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()
