"""Sends what a monitor could not: `ncscope sync FOLDER`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from .errors import DataLoss, InvalidArgument
from .monitor.delivery import Delivery
from .monitor.messages import Failed, Reported
from .monitor.spool import SeriesFolder, Session, sessions_in
from .monitor.store import Store
from .service import CHANNEL_OPTIONS, callables


@dataclass
class Outcome:
    """What became of the series of one session."""

    sent: list[str] = field(default_factory=list)
    """Names of those that the server has now; they are gone from disk."""
    unfinished: list[str] = field(default_factory=list)
    """Those that their training did not end; they stay."""
    refused: dict[str, str] = field(default_factory=dict)
    """Those that cannot be sent, and why; they stay."""
    left: list[str] = field(default_factory=list)
    """Those for which the time did not suffice; they stay."""


def sync_session(path: Path, server: str | None, timeout: float, partial: bool) -> Outcome:
    """Sends the series of one session within `timeout` seconds.

    `server` replaces the address that it was meant for. `partial` ends series that their training
    did not end. Raises BlockingIOError while that training still runs.
    """
    session = Session(path)
    outcome = Outcome()
    names: dict[int, str] = {}

    def tell(message: Any) -> None:
        if isinstance(message, Reported):
            outcome.sent.append(names.pop(message.series))
        elif isinstance(message, Failed):
            outcome.refused[names.pop(message.series)] = message.text

    address = server or session.address
    store = Store(mmap(-1, 1), path, 0, address, False, lambda _: None, lambda _: None)
    for number, folder in enumerate(session.series()):
        _load(store, number, folder, partial, names, outcome)
    channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
    delivery = Delivery(
        store, channel, callables(channel), address, timeout, False, tell, keeps_refused=True
    )
    delivery.start()
    delivery.wait(timeout)
    delivery.stop()
    channel.close()
    outcome.left.extend(names.values())
    session.remove_if_empty()
    session.close()
    return outcome


def _load(
    store: Store,
    number: int,
    folder: SeriesFolder,
    partial: bool,
    names: dict[int, str],
    outcome: Outcome,
) -> None:
    name = folder.path.name
    try:
        if store.load(number, folder.path, partial) is None:
            outcome.unfinished.append(name)
        else:
            names[number] = name
    except (DataLoss, OSError, DecodeError) as error:
        outcome.refused[name] = str(error)


def main(arguments: argparse.Namespace) -> int:
    """Sends everything in a folder; returns the exit status, 0 if nothing is left there."""
    sessions = sessions_in(arguments.folder)
    if not sessions:
        raise InvalidArgument(f"{arguments.folder}: expected a folder of a monitor's samples")
    deadline = time.monotonic() + arguments.timeout
    status = 0
    for path in sessions:
        try:
            left = max(0.0, deadline - time.monotonic())
            outcome = sync_session(path, arguments.server, left, arguments.partial)
        except BlockingIOError:
            print(f"{path}: the training that writes it still runs", file=sys.stderr)
            status = 1
            continue
        for name in outcome.sent:
            print(f"{path.name}/{name}: sent")
        for name in outcome.unfinished:
            print(f"{path.name}/{name}: was not finished; --partial sends it", file=sys.stderr)
        for name, why in outcome.refused.items():
            print(f"{path.name}/{name}: {why}", file=sys.stderr)
        for name in outcome.left:
            print(f"{path.name}/{name}: not sent in time", file=sys.stderr)
        if outcome.unfinished or outcome.refused or outcome.left:
            status = 1
    return status


def add_parser(commands: Any) -> None:
    """Adds the command to a parser's commands."""
    parser = commands.add_parser("sync", help="send what a monitor could not", description=__doc__)
    parser.add_argument("folder", type=Path, help="a monitor's spool_dir, or one session in it")
    parser.add_argument("--server", help="HOST:PORT; by default the one that it was meant for")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds in all (600)")
    parser.add_argument(
        "--partial", action="store_true", help="end epochs that their training did not"
    )
    parser.set_defaults(run=main)
