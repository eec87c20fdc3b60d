"""The helper process: takes samples from a trainer and gets them to the server.

It imports neither torch nor the trainer's program, and ends by itself soon after the trainer.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc

from ..errors import NcscopeError
from ..service import CHANNEL_OPTIONS, callables
from .delivery import Delivery
from .messages import (
    Batch,
    Begin,
    Channel,
    Drop,
    End,
    Failed,
    Finish,
    Finished,
    Part,
    Said,
    Settings,
    Unused,
)
from .process import SIGNALS
from .ring import map_shared
from .store import Store

# Below the trainer's: its threads come first where processors are short.
NICENESS = 10
# Seconds of Finish that are left for writing to disk what was not sent.
KEEP_SECONDS = 3.0
# What a trainer that died without a word gets.
ORPHAN = Finish(seconds=10.0)


def main(socket_fd: int, ring_fd: int) -> None:
    """Runs until the trainer says Finish or is gone."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.nice(NICENESS)
    channel = Channel(socket.socket(fileno=socket_fd))
    settings = channel.receive()
    if not isinstance(settings, Settings):
        return
    teller = _Teller(channel)
    kept = _serve(channel, settings, ring_fd, teller)
    teller.finish(Finished(kept))
    sys.stdout.flush()
    os._exit(0)  # threads may wait in calls that were cancelled


def _serve(channel: Channel, settings: Settings, ring_fd: int, teller: _Teller) -> str | None:
    """Returns the folder of what could not be sent."""
    folder = Path(settings.spool_dir) / settings.session
    crc = _has_crc()
    store = Store(
        map_shared(ring_fd, settings.ring_bytes),
        folder,
        settings.spool_bytes,
        settings.address,
        crc,
        teller.tell,
        lambda text: teller.tell(Said(text)),
    )
    wire = grpc.insecure_channel(settings.address, options=CHANNEL_OPTIONS)
    delivery = Delivery(
        store, wire, callables(wire), settings.address, settings.timeout, crc, teller.tell
    )
    delivery.start()
    finish = _receive(channel, store, teller)
    deadline = time.monotonic() + max(0.0, finish.seconds - KEEP_SECONDS)
    delivery.wait(max(0.0, deadline - time.monotonic()))
    delivery.stop()
    kept = store.keep_all()
    store.close()
    return str(folder) if kept else None


def _receive(channel: Channel, store: Store, teller: _Teller) -> Finish:
    """Puts what the trainer sends into the store, until it ends."""
    while True:
        message = channel.receive()
        if message is None:
            return ORPHAN
        if isinstance(message, Finish):
            return message
        try:
            _apply(message, store)
        except (OSError, NcscopeError) as error:  # of one series; the others go on
            kind = type(error).__name__ if isinstance(error, NcscopeError) else "ServerError"
            teller.tell(Failed(message.series, kind, str(error)))
            store.drop(message.series)


def _apply(message: Any, store: Store) -> None:
    if isinstance(message, Begin):
        store.begin(message)
    elif isinstance(message, (Batch, Part, Unused)):
        store.take(message)
    elif isinstance(message, End):
        store.end(message)
    elif isinstance(message, Drop):
        store.drop(message.series)


class _Teller:
    """Tells the trainer, which may read slowly or be gone."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ncscope-teller", daemon=True)
        self._thread.start()

    def tell(self, message: Any) -> None:
        self._queue.put(message)

    def finish(self, message: Finished) -> None:
        """Tells the last message; waits a moment until it is told."""
        self._queue.put(message)
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while True:
            message = self._queue.get()
            with contextlib.suppress(OSError):  # the trainer is gone; what it left is still sent
                self._channel.send(message)
            if isinstance(message, Finished):
                return


def _has_crc() -> bool:
    try:
        import crc32c  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
