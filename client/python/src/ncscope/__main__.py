"""`python -m ncscope`: what a trainer's machine needs; the rest is in the program `ncscope`."""

from __future__ import annotations

import argparse
import sys

from . import sync
from .errors import NcscopeError


def main() -> int:
    """Runs a command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m ncscope")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sync.add_parser(commands)
    arguments = parser.parse_args()
    try:
        return int(arguments.run(arguments))
    except (NcscopeError, OSError) as error:
        print(f"ncscope: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
