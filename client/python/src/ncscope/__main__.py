"""The command `ncscope` of the Python package: what a trainer's machine needs.

The rest is in the program of the same name; where that is on the PATH too, its commands work here.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import sync
from .errors import NcscopeError


def main() -> int:
    """Runs a command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="ncscope", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sync.add_parser(commands)
    if len(sys.argv) > 1 and sys.argv[1] not in (*commands.choices, "-h", "--help"):
        return _run_program(parser, sys.argv[1:])
    arguments = parser.parse_args()
    try:
        return int(arguments.run(arguments))
    except (NcscopeError, OSError) as error:
        print(f"ncscope: {error}", file=sys.stderr)
        return 2


def _run_program(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Becomes the program `ncscope` of the PATH that is not this one."""
    this = Path(sys.argv[0]).resolve()
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        program = Path(folder or ".") / "ncscope"
        if os.access(program, os.X_OK) and program.is_file() and not _is_script(program, this):
            os.execv(program, [str(program), *arguments])
    parser.error(f"expected sync; got {arguments[0]!r}, and the program ncscope is not on the PATH")


def _is_script(program: Path, this: Path) -> bool:
    """Whether a file is this command, or that of another environment."""
    if program.resolve() == this:
        return True
    with program.open("rb") as file:
        return file.read(2) == b"#!"


if __name__ == "__main__":
    sys.exit(main())
