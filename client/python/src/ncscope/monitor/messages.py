"""What the trainer and its helper process tell each other."""

from __future__ import annotations

import pickle
import socket
import struct
from dataclasses import dataclass
from typing import Any

# What the helper sends ahead of the server's acknowledgements.
IN_FLIGHT_BYTES = 16 << 20

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Settings:
    """First to the helper: what it works with."""

    address: str
    ring_bytes: int
    spool_bytes: int
    spool_dir: str
    session: str  # name of the folder within spool_dir
    timeout: float  # seconds that the server may take for an answer


@dataclass(frozen=True)
class Begin:
    """A series that follows."""

    series: int
    open: bytes  # serialised Open
    is_state: bool  # its parts are PutStatisticsRequests rather than StreamRequests
    may_supersede: bool  # whether a newer attempt may be begun where this one is taken
    wants_report: bool
    first: int = 0  # number of the first batch that the trainer still holds
    had_end: bool = False  # an earlier helper was told all: it may have closed the series


@dataclass(frozen=True)
class Column:
    """Consecutive bytes of the ring."""

    offset: int
    count: int


@dataclass(frozen=True)
class Batch:
    """Samples in the ring: the next batch of a series."""

    series: int
    entry: int
    sequence: int
    rows: int
    features: Column
    labels: Column
    predictions: Column | None
    sample_ids: Column | None
    ring_used: int  # bytes that the trainer cannot give out, this batch among them


@dataclass(frozen=True)
class Part:
    """A serialised request in the ring: a piece of a classifier or of a state."""

    series: int
    entry: int
    index: int  # 0, 1, 2, ... within the series
    bytes: Column
    ring_used: int


@dataclass(frozen=True)
class Unused:
    """An entry of the ring that stayed empty."""

    entry: int


@dataclass(frozen=True)
class End:
    """All of a series has been sent."""

    series: int
    batches: int
    parts: int
    partial: bool


@dataclass(frozen=True)
class Drop:
    """A series is not wanted any more."""

    series: int


@dataclass(frozen=True)
class Finish:
    """Nothing follows: send what is there for so many seconds, then keep the rest on disk."""

    seconds: float


@dataclass(frozen=True)
class Freed:
    """An entry of the ring is not needed any more."""

    entry: int


@dataclass(frozen=True)
class Reported:
    """A series has closed; `report` is a serialised Report if there is one for this rank."""

    series: int
    report: bytes | None


@dataclass(frozen=True)
class Failed:
    """A series cannot be sent; `error` is the class in ncscope.errors."""

    series: int
    error: str
    text: str


@dataclass(frozen=True)
class Superseded:
    """A series goes on as another attempt."""

    series: int
    attempt: int
    text: str


@dataclass(frozen=True)
class Said:
    """What a person should know."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The helper ends; `kept` is the folder with what could not be sent, if anything."""

    kept: str | None


class Channel:
    """Messages over a socket; one thread sends and one receives."""

    def __init__(self, connected: socket.socket) -> None:
        """Takes a connected stream socket."""
        self._socket = connected

    def send(self, message: Any) -> None:
        """Sends; raises OSError if the other side is gone."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Any:
        """Returns the next message; None once the other side is gone."""
        length = self._read(_LENGTH.size)
        if length is None:
            return None
        data = self._read(_LENGTH.unpack(length)[0])
        return None if data is None else pickle.loads(data)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _read(self, count: int) -> bytearray | None:
        data = bytearray(count)
        view = memoryview(data)
        got = 0
        try:
            while got < count:
                step = self._socket.recv_into(view[got:])
                if step == 0:
                    return None
                got += step
        except OSError:
            return None
        return data
