"""What the helper holds: requests in the ring, and on disk where the ring fills up."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import BinaryIO

from ..errors import DataLoss
from ..v1 import service_pb2
from ..wire import frame_batch
from .messages import Batch, Begin, Column, End, Freed, Part, Unused
from .spool import SEGMENT_BYTES, Kind, Record, SeriesFolder, Session, append_record, record_bytes

# Shares of the ring: above the first, its oldest entries go to disk, down to the second.
SPOOL_ABOVE, SPOOL_DOWN_TO = 0.5, 0.25
LEAST_SPOOLED = 4


@dataclass(eq=False)
class Entry:
    """One request: a batch, or a part of a classifier or state."""

    series: Series
    number: int  # among the batches or the parts of the series
    is_batch: bool
    place: Batch | Part | Record | None  # None once it is not needed any more
    bytes: int

    @property
    def in_ring(self) -> bool:
        """Whether the trainer may not use its memory."""
        return isinstance(self.place, (Batch, Part))


@dataclass(eq=False)
class Series:
    """Everything of one series that the server may still need."""

    begin: Begin
    open: service_pb2.Open
    folder: SeriesFolder
    batches: deque[Entry] = field(default_factory=deque)
    parts: list[Entry] = field(default_factory=list)
    first: int = 0  # sequence number of the first of `batches`
    end: End | None = None
    over: bool = False  # delivered or given up: what still comes is let go

    @property
    def next_sequence(self) -> int:
        """Number of the batch that the trainer sends next."""
        return self.first + len(self.batches)


class Store:
    """The series that are not delivered; threads share it."""

    def __init__(
        self,
        ring: mmap,
        folder: Path,
        spool_bytes: int,
        address: str,
        crc: bool,
        freed: Callable[[Freed], None],
        say: Callable[[str], None],
    ) -> None:
        """Takes the folder of the session, and the server's address to note there.

        `freed` and `say` are told what happens.
        """
        self.changed = threading.Condition(threading.RLock())
        self.series: dict[int, Series] = {}
        self._ring = memoryview(ring)
        self._folder = folder
        self._session: Session | None = None
        self._spool_bytes = spool_bytes
        self._address = address
        self._crc = crc
        self._freed = freed
        self._say = say
        self._in_ring_by_number: dict[int, Entry] = {}  # the oldest first
        self._in_ring = 0  # bytes
        self._writers: dict[Path, _Segments] = {}
        self._on_disk = 0  # bytes
        self._spool_failed = False

    def begin(self, message: Begin) -> None:
        """Takes a series up, with what an earlier helper of this session left on disk of it.

        Raises OSError or DataLoss where that cannot be read.
        """
        opened = service_pb2.Open.FromString(message.open)
        folder = SeriesFolder(self._folder / folder_name(message.series, opened))
        series = Series(message, opened, folder, first=message.first)
        with self.changed:
            if folder.path.exists():
                self._open_session()
                self._take_from_disk(series)
                writer = self._writers[folder.path] = _Segments(folder.path)
                self._on_disk += writer.adopt([*series.batches, *series.parts])
            self.series[message.series] = series
            self.changed.notify_all()

    def load(self, number: int, path: Path, partial: bool) -> Series | None:
        """Takes up a series that another process left; None if that was not complete.

        With `partial` that is ended where it stops. Raises DataLoss for a damaged file.
        """
        folder = SeriesFolder(path)
        opened, is_state = folder.read_open()
        batches, close = folder.batches(), folder.read_close()
        if close is None:
            if not partial or is_state:
                return None
            if not batches:
                raise DataLoss(f"{path}: there is no batch")
            close = service_pb2.Close(batches=batches[-1].sequence + 1, partial=True)
        begin = Begin(number, opened.SerializeToString(), is_state, False, False)
        series = Series(begin, opened, folder, first=close.batches)
        with self.changed:
            self._take_from_disk(series)
            if series.next_sequence != close.batches:
                raise DataLoss(
                    f"{path}: expected batches up to {close.batches}; got {series.next_sequence}"
                )
            series.end = End(number, close.batches, len(series.parts), close.partial)
            self.series[number] = series
            self.changed.notify_all()
        return series

    def take(self, message: Batch | Part | Unused) -> None:
        """Takes an entry of the ring; raises DataLoss where one before it is missing."""
        with self.changed:
            try:
                entry = None if isinstance(message, Unused) else self._entry_of(message)
            except DataLoss:
                self._freed(Freed(message.entry))
                raise
            if entry is None:
                self._freed(Freed(message.entry))
            else:
                self._in_ring_by_number[message.entry] = entry
                self._in_ring += entry.bytes
                self.changed.notify_all()
        if not isinstance(message, Unused) and message.ring_used > SPOOL_ABOVE * len(self._ring):
            self._relieve()

    def end(self, message: End) -> None:
        """A series is complete."""
        with self.changed:
            series = self.series.get(message.series)
            if series is not None:
                series.end = message
                self.changed.notify_all()

    def drop(self, number: int) -> None:
        """A series is not wanted any more."""
        with self.changed:
            series = self.series.get(number)
            if series is not None:
                self.remove(series)

    def request_of(self, entry: Entry) -> bytes:
        """Returns what the server is sent."""
        with self.changed:
            place = entry.place
            assert place is not None
            if isinstance(place, Batch):
                return self._frame(place)
            if isinstance(place, Part):
                return bytes(self._view(place.bytes))
        return place.read()  # its file stays until its series is delivered

    def release_before(self, series: Series, sequence: int) -> None:
        """Lets go of batches that the server cannot lose."""
        with self.changed:
            if not series.batches or series.first >= sequence:
                return
            while series.batches and series.first < sequence:
                self._release(series.batches.popleft())
                series.first += 1
            self.changed.notify_all()

    def remove(self, series: Series, on_disk: bool = True) -> None:
        """Lets go of all of a series, on disk too."""
        with self.changed:
            series.over = True
            self.series.pop(series.begin.series, None)
            for entry in (*series.batches, *series.parts):
                self._release(entry)
            series.batches.clear()
            series.parts.clear()
            writer = self._writers.pop(series.folder.path, None)
            if writer is not None:
                self._on_disk -= writer.close()
            if on_disk:
                series.folder.remove()
            self.changed.notify_all()

    def keep_all(self) -> bool:
        """Writes everything to disk, to be sent by another process; returns whether there is any.

        What the disk does not take is said.
        """
        kept = False
        with self.changed:
            for series in [s for s in self.series.values() if s.end or s.batches]:
                try:
                    for entry in (*series.batches, *series.parts):
                        if entry.in_ring:
                            self._to_disk(entry)
                    self._describe(series)
                    kept = True
                except OSError as error:
                    # What is there already stays, for sync --partial.
                    self._say(f"{series.folder.path.name} could not be kept whole: {error}")
                    kept = kept or (series.folder.path / "open").exists()
        return kept

    def close(self) -> None:
        """Ends; a folder that holds nothing goes."""
        with self.changed:
            if self._folder.exists():  # of an earlier helper, perhaps
                self._open_session()
            if self._session is not None:
                self._session.remove_if_empty()
                self._session.close()

    def _take_from_disk(self, series: Series) -> None:
        batches = series.folder.batches()
        if batches:
            series.first = batches[0].sequence
        for record in batches:
            self._append_batch(series, record.sequence, record)
        for record in series.folder.parts():
            self._append_part(series, record.sequence, record)

    def _entry_of(self, message: Batch | Part) -> Entry | None:
        series = self.series.get(message.series)
        if series is None or series.over:
            return None
        if isinstance(message, Batch):
            return self._append_batch(series, message.sequence, message)
        return self._append_part(series, message.index, message)

    def _append_batch(self, series: Series, sequence: int, place: Batch | Record) -> Entry | None:
        if sequence < series.next_sequence:
            return None  # it is on disk already
        if sequence > series.next_sequence:
            raise DataLoss(f"expected batch {series.next_sequence}; got {sequence}")
        count = place.length if isinstance(place, Record) else _bytes_of(place)
        entry = Entry(series, sequence, True, place, count)
        series.batches.append(entry)
        return entry

    def _append_part(self, series: Series, index: int, place: Part | Record) -> Entry | None:
        if index < len(series.parts):
            return None  # it is on disk already
        if index > len(series.parts):
            raise DataLoss(f"expected part {len(series.parts)} of what ends it; got {index}")
        count = place.length if isinstance(place, Record) else place.bytes.count
        entry = Entry(series, index, False, place, count)
        series.parts.append(entry)
        return entry

    def _frame(self, batch: Batch) -> bytes:
        return frame_batch(
            batch.sequence,
            batch.rows,
            labels=self._view(batch.labels),
            features=self._view(batch.features),
            predictions=self._view(batch.predictions),
            sample_ids=self._view(batch.sample_ids),
            crc=self._crc,
        )

    def _view(self, column: Column | None) -> memoryview:
        if column is None:
            return memoryview(b"")
        return self._ring[column.offset : column.offset + column.count]

    def _release(self, entry: Entry) -> None:
        if entry.in_ring:
            self._leave_ring(entry)
        elif isinstance(entry.place, Record) and entry.is_batch:
            writer = self._writers.get(entry.series.folder.path)
            if writer is not None:
                self._on_disk -= writer.release(entry.place)
        entry.place = None

    def _relieve(self) -> None:
        """Moves the oldest entries of the ring to disk.

        At least some: the ring is used again in order, so that an old one holds up many.
        """
        least = LEAST_SPOOLED
        while True:
            least -= 1
            with self.changed:  # for one entry at a time: others may have theirs sent
                oldest = next(iter(self._in_ring_by_number.values()), None)
                enough = self._in_ring <= SPOOL_DOWN_TO * len(self._ring)
                if oldest is None or (enough and least < 0):
                    return
                if self._on_disk + record_bytes(oldest.bytes) > self._spool_bytes:
                    return
                try:
                    self._to_disk(oldest)
                except OSError as error:
                    if not self._spool_failed:
                        self._say(f"samples cannot be kept on disk: {error}")
                    self._spool_failed = True
                    return

    def _to_disk(self, entry: Entry) -> None:
        series = entry.series
        writer = self._writers.get(series.folder.path)
        if writer is None:
            writer = self._writers[series.folder.path] = _Segments(series.folder.path)
            self._describe(series)
        kind = Kind.PUT if series.begin.is_state else Kind.STREAM
        request = self.request_of(entry)
        record = writer.append(kind, entry.is_batch, entry.number, request)
        self._leave_ring(entry)
        entry.place = record
        self._on_disk += record_bytes(record.length)

    def _leave_ring(self, entry: Entry) -> None:
        place = entry.place
        assert isinstance(place, (Batch, Part))
        entry.place = None
        del self._in_ring_by_number[place.entry]
        self._in_ring -= entry.bytes
        self._freed(Freed(place.entry))

    def _open_session(self) -> None:
        if self._session is None:
            self._session = Session(self._folder, self._address)

    def _describe(self, series: Series) -> None:
        """Writes what the series is, and its end if there is one."""
        self._open_session()
        is_state = series.begin.is_state
        kind = Kind.PUT if is_state else Kind.STREAM
        request = (
            service_pb2.PutStatisticsRequest(open=series.open)
            if is_state
            else service_pb2.StreamRequest(open=series.open)
        )
        series.folder.write_one("open", kind, request.SerializeToString())
        if series.end is not None:
            close = service_pb2.Close(batches=series.end.batches, partial=series.end.partial)
            request = service_pb2.StreamRequest(close=close)
            series.folder.write_one("close", Kind.STREAM, request.SerializeToString())


class _Segments:
    """The files of one series that grow, and go when nothing of them is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: BinaryIO | None = None
        self._file: BinaryIO | None = None  # of batches
        self._path = folder
        self._next: int | None = None  # number of the batch that would go on with `_file`
        self._live: dict[Path, int] = {}  # batches of each file that are needed
        self._bytes: dict[Path, int] = {}

    def adopt(self, entries: list[Entry]) -> int:
        """Takes over what an earlier helper has written; returns bytes."""
        for entry in entries:
            record = entry.place
            assert isinstance(record, Record)
            if entry.is_batch:
                self._live[record.path] = self._live.get(record.path, 0) + 1
            self._bytes[record.path] = self._bytes.get(record.path, 0) + record_bytes(record.length)
        path = self._folder / "parts"
        if path.exists():  # what it was writing when it died goes
            os.truncate(path, self._bytes.get(path, 0))
        return sum(self._bytes.values())

    def append(self, kind: Kind, is_batch: bool, number: int, request: bytes) -> Record:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not is_batch:
            path = self._folder / "parts"
            if self._parts is None:
                self._parts = path.open("ab", buffering=0)
            record = append_record(self._parts, path, kind, number, request)
        else:
            record = self._append_batch(kind, number, request)
        self._bytes[record.path] = self._bytes.get(record.path, 0) + record_bytes(record.length)
        return record

    def _append_batch(self, kind: Kind, number: int, request: bytes) -> Record:
        if self._file is None or number != self._next or self._file.tell() >= SEGMENT_BYTES:
            self._path = self._folder / f"batches-{number:012d}"
            if self._file is not None:
                self._file.close()
            self._file = self._path.open("wb", buffering=0)
        record = append_record(self._file, self._path, kind, number, request)
        self._next = number + 1
        self._live[self._path] = self._live.get(self._path, 0) + 1
        return record

    def release(self, record: Record) -> int:
        """Returns bytes that are free by that."""
        self._live[record.path] -= 1
        if self._live[record.path] > 0:
            return 0
        del self._live[record.path]
        if record.path == self._path and self._file is not None:
            self._file.close()
            self._file = None
        record.path.unlink(missing_ok=True)
        return self._bytes.pop(record.path, 0)

    def close(self) -> int:
        """Ends writing; returns bytes of all files."""
        for file in (self._parts, self._file):
            if file is not None:
                file.close()
        return sum(self._bytes.values())


def folder_name(number: int, opened: service_pb2.Open) -> str:
    """Name of the folder of a series within a session: one and the same for every helper."""
    key = opened.key
    names = (key.split or "train", key.layer or "features")
    return f"{number:06d}-epoch{key.epoch}-{names[0]}-{names[1]}-rank{opened.rank}"


def _bytes_of(batch: Batch) -> int:
    columns = (batch.features, batch.labels, batch.predictions, batch.sample_ids)
    return sum(column.count for column in columns if column is not None)
