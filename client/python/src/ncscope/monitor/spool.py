"""Requests on disk: what a helper could not send, for later.

A session is a folder with the address of its `server`, locked while a process works on it, and one
folder for each series: `open` and `close` hold one request each, `parts` those of the classifier or
of a state, `batches-N` consecutive batches, N the number of the first. Each file is a row of
records: a header (magic, kind, length, CRC-32, batch number; little-endian) and the serialised
request.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

from ..errors import DataLoss
from ..v1 import service_pb2
from ..wire import Buffer

_HEADER = struct.Struct("<4sB3xIIQ")
_MAGIC = b"NCSP"
SEGMENT_BYTES = 64 << 20


class Kind(IntEnum):
    """What a record holds."""

    STREAM = 1
    """A StreamRequest."""
    PUT = 2
    """A PutStatisticsRequest."""


@dataclass(frozen=True)
class Record:
    """A request in a file."""

    path: Path
    kind: Kind
    sequence: int
    offset: int  # of the request
    length: int
    crc: int

    def read(self) -> bytes:
        """Returns the request; raises DataLoss if it is not what was written."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.length)
        if len(data) != self.length or zlib.crc32(data) != self.crc:
            raise DataLoss(f"{self.path}: the record at byte {self.offset} is damaged")
        return data


def append_record(file: BinaryIO, path: Path, kind: Kind, sequence: int, request: Buffer) -> Record:
    """Writes a request at the end of `file`, which is `path`; leaves nothing if that fails."""
    begin = file.tell()
    crc = zlib.crc32(request)
    try:
        for data in (_HEADER.pack(_MAGIC, kind, len(request), crc, sequence), request):
            view = memoryview(data)
            while view:  # files are not buffered, so that nothing is left to write after an error
                view = view[file.write(view) :]
    except OSError:
        with contextlib.suppress(OSError):
            file.seek(begin)
            file.truncate(begin)
        raise
    return Record(path, kind, sequence, begin + _HEADER.size, len(request), crc)


def record_bytes(request_bytes: int) -> int:
    """Bytes on disk of a request of so many."""
    return _HEADER.size + request_bytes


def scan(path: Path) -> Iterator[Record]:
    """Yields the records of a file; what was being written when a process died is left out."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            magic, kind, length, crc, sequence = _HEADER.unpack(header)
            offset = file.tell()
            if magic != _MAGIC or kind not in list(Kind):
                raise DataLoss(f"{path}: expected a record at byte {offset - _HEADER.size}")
            if offset + length > size:
                return
            yield Record(path, Kind(kind), sequence, offset, length, crc)
            file.seek(offset + length)


class SeriesFolder:
    """The requests of one series on disk."""

    def __init__(self, path: Path) -> None:
        """Takes a folder that is made by the first request."""
        self.path = path

    def write_one(self, name: str, kind: Kind, request: Buffer) -> int:
        """Writes `open` or `close`; returns bytes."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / name
        with path.open("wb", buffering=0) as file:
            append_record(file, path, kind, 0, request)
        return path.stat().st_size

    def read_open(self) -> tuple[service_pb2.Open, bool]:
        """Returns what the series is, and whether it is a state; raises DataLoss without."""
        for record in scan(self.path / "open"):
            data = record.read()
            if record.kind is Kind.PUT:
                return service_pb2.PutStatisticsRequest.FromString(data).open, True
            return service_pb2.StreamRequest.FromString(data).open, False
        raise DataLoss(f"{self.path}: what the series is cannot be read")

    def read_close(self) -> service_pb2.Close | None:
        """Returns the end of the series; None where it was still streamed."""
        path = self.path / "close"
        for record in scan(path) if path.exists() else ():
            return service_pb2.StreamRequest.FromString(record.read()).close
        return None

    def parts(self) -> list[Record]:
        """Pieces of the classifier or of a state, in order."""
        path = self.path / "parts"
        return list(scan(path)) if path.exists() else []

    def batches(self) -> list[Record]:
        """Batches by number."""
        found = [record for path in self.path.glob("batches-*") for record in scan(path)]
        return sorted(found, key=lambda record: record.sequence)

    def remove(self) -> None:
        """Deletes all."""
        shutil.rmtree(self.path, ignore_errors=True)


class Session:
    """The folder of one training process; whoever holds it open works on it alone."""

    def __init__(self, path: Path, address: str | None = None) -> None:
        """Opens, or makes it for what is meant for the server at `address`.

        Raises BlockingIOError while another process has it open, FileNotFoundError for none.
        """
        self.path = path
        if address is not None:
            path.mkdir(parents=True, exist_ok=True)
            (path / "server").write_text(address + "\n", encoding="utf-8")
        self._lock = os.open(path / "server", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def address(self) -> str:
        """Address of the server that it is meant for."""
        return (self.path / "server").read_text(encoding="utf-8").strip()

    def series(self) -> list[SeriesFolder]:
        """The series that are there, by name."""
        folders = sorted(path for path in self.path.iterdir() if (path / "open").exists())
        return [SeriesFolder(path) for path in folders]

    def remove_if_empty(self) -> bool:
        """Deletes the folder if no series is in it."""
        if self.series():
            return False
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()
        return True

    def close(self) -> None:
        """Lets others open it."""
        os.close(self._lock)


def sessions_in(folder: Path) -> list[Path]:
    """Folders of sessions: `folder` itself or those in it."""
    if (folder / "server").is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/server"))
