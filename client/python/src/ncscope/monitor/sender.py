"""The trainer's side of the helper process: samples into the ring, reports out of futures."""

from __future__ import annotations

import atexit
import logging
import mmap
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import errors
from ..arrays import Array, Features, as_bytes
from ..errors import NcscopeError, ResourceExhausted, Unavailable
from ..v1 import service_pb2
from .future import ReportFuture, Settler
from .messages import (
    Batch,
    Begin,
    Column,
    Drop,
    End,
    Failed,
    Finish,
    Finished,
    Freed,
    Part,
    Reported,
    Said,
    Settings,
    Superseded,
    Unused,
)
from .process import HelperProcess
from .ring import RingSpace, create_shared, map_shared

log = logging.getLogger("ncscope")

# Small batches are gathered up to the first, large ones cut to the second. Bytes.
GATHER_BYTES, BATCH_BYTES = 1 << 20, 8 << 20
# How often a helper that died is started again.
MAX_RESTARTS = 3
# Seconds of an exit that are left for the helper to say that it has ended.
LAST_WORD = 0.5


@dataclass
class _Gathered:
    """Room in the ring for some samples, and how many are in it."""

    entry: int
    capacity: int  # rows
    columns: tuple[tuple[int, int], ...]  # offset and bytes per row of what a row has
    kinds: tuple[bool, bool]  # whether there are predictions, and sample ids
    rows: int = 0
    views: tuple[Array, Array] | None = None  # features [capacity, d], labels [capacity]


@dataclass(eq=False)
class Outgoing:
    """A series on its way to the server."""

    begin: Begin
    future: ReportFuture
    next_sequence: int = 0
    parts: int = 0
    gathered: _Gathered | None = None
    partial: bool = False
    dropped: int = 0  # rows for which there was no room
    end: End | None = None
    over: bool = False  # reported or failed
    waited: float = 0.0  # seconds for room


class Sender:
    """Hands samples to a helper process without ever waiting for it.

    Threads share it. Trouble with the helper, the disk or the server is logged, and told by the
    futures; no call raises it.
    """

    def __init__(
        self,
        settings: Settings,
        patience: float,
        exit_timeout: float,
        sources: Callable[[float], None],
        after_reports: Callable[[], None],
    ) -> None:
        """Starts the helper.

        `patience`: seconds that one series may wait for room in all; `exit_timeout`: those that the
        end of the program waits, if nobody has closed it. `sources` waits so many seconds until
        those that still append have done so. `after_reports` is called when it is closed, in the
        thread that settles futures, after the last one.
        """
        self.exit_timeout = exit_timeout
        self._sources = sources
        self._after_reports = after_reports
        self._settings = settings
        self._patience = patience
        self._changed = threading.Condition(threading.RLock())
        self._space = RingSpace(settings.ring_bytes)
        self._ring_fd = create_shared(settings.ring_bytes)
        self._ring: mmap.mmap = map_shared(self._ring_fd, settings.ring_bytes)
        self._memory = np.frombuffer(self._ring, np.uint8)
        self._series: dict[int, Outgoing] = {}
        self._live: dict[int, Batch | Part | Unused] = {}  # entries that are not freed
        self._next_series = 0
        self._restarts = 0
        self._superseded = False
        self._process: HelperProcess | None = None
        self._finishing: Finish | None = None
        self._finished: Finished | None = None
        self._closed = False
        self._settler = Settler()
        self._feeds: queue.SimpleQueue[tuple[Callable[[], None], int] | None]
        self._feeds = queue.SimpleQueue()
        self._feeds_open = 0
        self._feeds_bytes = 0  # what those keep of the trainer's memory
        threading.Thread(target=self._run_feeds, name="ncscope-feeder", daemon=True).start()
        _open_senders.append(self)
        self._start_helper()

    @property
    def works(self) -> bool:
        """Whether there is a helper that takes samples."""
        return self._process is not None and self._finishing is None

    @property
    def pid(self) -> int | None:
        """The helper's process id."""
        process = self._process
        return None if process is None else process.pid

    def begin(
        self,
        opened: service_pb2.Open,
        future: ReportFuture,
        *,
        is_state: bool = False,
        may_supersede: bool = False,
        wants_report: bool = True,
    ) -> Outgoing:
        """Begins a series, whose report settles `future`."""
        with self._changed:
            number = self._next_series
            self._next_series += 1
            begin = Begin(number, opened.SerializeToString(), is_state, may_supersede, wants_report)
            series = Outgoing(begin, future)
            if self.works:
                self._series[number] = series
                self._post(begin)
            else:
                self._give_up(series, Unavailable("the monitor has no helper process"))
        return series

    def append(
        self,
        series: Outgoing,
        features: Features,
        labels: Array,
        predictions: Array | None,
        sample_ids: Array | None,
        patience: float | None = None,
    ) -> None:
        """Copies samples into the ring: labels and predictions int64, sample ids uint64, [n] each.

        Where there is no room, the rest is dropped, and the series marked partial. `patience`
        replaces that of the sender.
        """
        columns = [c for c in (labels, predictions, sample_ids) if c is not None]
        try:
            with self._changed:
                self._append(series, features, columns, predictions is not None, patience)
        except BaseException:  # an interrupt: what it left half done
            with self._changed:
                self._sweep(series)
            raise

    def _append(
        self,
        series: Outgoing,
        features: Features,
        columns: list[Array],
        has_predictions: bool,
        patience: float | None,
    ) -> None:
        kinds = (has_predictions, len(columns) > 1 + has_predictions)
        begin = 0
        while begin < features.rows and not series.over:
            room = self._room_for(series, features.rows - begin, features.row_bytes, kinds)
            if room is None:
                if self._wait_for_room(series, patience):
                    continue
                self.drop(series, features.rows - begin)
                return
            end = begin + min(features.rows - begin, room.capacity - room.rows)
            parts = [features.read(begin, end), *(as_bytes(c[begin:end]) for c in columns)]
            for (offset, row_bytes), part in zip(room.columns, parts, strict=True):
                at = offset + room.rows * row_bytes
                self._memory[at : at + len(part)] = np.frombuffer(part, np.uint8)
            room.rows += end - begin
            begin = end

    def append_alike(self, series: Outgoing, features: Array, labels: Array) -> bool:
        """Copies features [..., d] of the series' element type and labels [...] of int64.

        Returns False, and does nothing, where there is no room at once: see `append`.
        """
        with self._changed:
            room = series.gathered
            if room is None or room.kinds != (False, False) or series.over:
                return False
            end = room.rows + labels.size
            if end > room.capacity:
                return False
            if room.views is None:
                (at, row_bytes), (labels_at, _) = room.columns
                rows = self._memory[at : at + room.capacity * row_bytes].view(features.dtype)
                counts = self._memory[labels_at : labels_at + room.capacity * 8].view(labels.dtype)
                room.views = (rows.reshape(room.capacity, -1), counts)
            to, labels_to = room.views
            if features.shape[-1] != to.shape[1]:
                return False
            if features.ndim == 2:
                to[room.rows : end] = features
                labels_to[room.rows : end] = labels
            else:
                to[room.rows : end].reshape(features.shape)[...] = features
                labels_to[room.rows : end].reshape(labels.shape)[...] = labels
            room.rows = end
        return True

    def end(
        self,
        series: Outgoing,
        parts: Callable[[], Iterable[bytes]] | None = None,
        partial: bool = False,
        held_bytes: int = 0,
    ) -> None:
        """Ends a series; `parts` makes what still belongs to it, in a thread of its own.

        `held_bytes`: memory that `parts` keeps until then. Where others wait that keep as much as
        the ring, the series is given up.
        """
        with self._changed:
            self._flush(series)
            series.partial = series.partial or partial
            if series.dropped:
                log.warning(
                    "%s: %d samples were dropped, no room was left for them; the report is partial",
                    _name(series.future), series.dropped,
                )  # fmt: skip
            if parts is None and self._feeds_open == 0:
                self._post_end(series)
                return
            if self._feeds_open and self._feeds_bytes + held_bytes > self._space.size:
                waiting = f"{self._feeds_open} epochs before it are not sent"
                self.abandon(series, ResourceExhausted(f"{waiting}: no room for its classifier"))
                return
            self._feeds_open += 1
            self._feeds_bytes += held_bytes
        self._feeds.put((lambda: self._send_parts(series, parts), held_bytes))

    def drop(self, series: Outgoing, rows: int) -> None:
        """Counts samples for which there was no room; the report will be partial."""
        with self._changed:
            if series.dropped == 0:
                log.warning("%s: no room for more samples; dropping some", _name(series.future))
            series.dropped += rows
            series.partial = True

    def abandon(self, series: Outgoing, error: Exception) -> None:
        """Forgets a series: the server gets no more of it."""
        with self._changed:
            if not series.over:
                self._post(Drop(series.begin.series))
            self._give_up(series, error)

    def settle(self, future: ReportFuture, error: Exception) -> None:
        """Fails the future of what has no series."""
        log.error("%s is not measured: %s", _name(future), error)
        self._settler.settle(future, error=error)

    def begin_close(self, seconds: float) -> None:
        """Takes no more, and has the helper send what is left for so many seconds."""
        begin = time.monotonic()
        self._sources(seconds / 4)
        with self._changed:
            if self._finishing is not None:
                return
            for series in self._series.values():
                self._flush(series)
            self._changed.wait_for(
                lambda: self._feeds_open == 0 or self._process is None, seconds / 2
            )
            left = seconds - (time.monotonic() - begin) - LAST_WORD
            self._finishing = Finish(max(0.0, left))
            self._feeds.put(None)
            self._post(self._finishing)

    def close(self, seconds: float) -> str | None:
        """Waits for the end of what `begin_close` began; returns the folder of what was not sent.

        Futures that are open then fail.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            if self._closed:
                return None
            self._closed = True
            self._changed.wait_for(
                lambda: self._finished is not None or self._process is None, seconds
            )
            kept = None if self._finished is None else self._finished.kept
            said = f"; `ncscope sync {kept}` sends the samples" if kept else ""
            for series in list(self._series.values()):
                self._give_up(series, Unavailable(f"the monitor was closed before{said}"))
            process, self._process = self._process, None
            os.close(self._ring_fd)
        if process is not None:
            process.post(None)
            process.wait(0.2)
        self._settler.finish(max(0.0, deadline - time.monotonic()), self._after_reports)
        if self in _open_senders:
            _open_senders.remove(self)
        if kept:
            log.warning("the server could not take all samples: %s", said[2:])
        return kept

    def forget(self) -> None:
        """In a process that was forked off: leaves the helper to the parent."""
        process, self._process = self._process, None
        self._finishing = Finish(0.0)
        self._changed = threading.Condition(threading.RLock())  # the parent may have held it
        for series in self._series.values():
            series.over = True  # the ring is the parent's
        if process is not None:
            process.forget()

    # Room in the ring. All of this is called with the lock.

    def _sweep(self, series: Outgoing) -> None:
        """Gives back what was reserved and is nobody's; marks what may be missing."""
        series.partial = True
        known = {each.gathered.entry for each in self._series.values() if each.gathered}
        for entry in self._space.entries():
            if entry not in self._live and entry not in known:
                self._post_entry(Unused(entry))

    def _flush_old(self) -> None:
        """Passes on what other series gathered long ago: the ring is used again in order."""
        for each in self._series.values():
            if each.gathered and self._space.age(each.gathered.entry) > self._space.size // 8:
                self._flush(each)

    def _room_for(
        self, series: Outgoing, rows: int, row_bytes: int, kinds: tuple[bool, bool]
    ) -> _Gathered | None:
        """Returns where the next samples go; None where the ring is full."""
        gathered = series.gathered
        if gathered is not None:
            if gathered.rows < gathered.capacity and gathered.kinds == kinds:
                return gathered
            self._flush(series)
        width = row_bytes + 8 * (1 + sum(kinds))
        largest = min(BATCH_BYTES, self._space.size // 8)
        wanted = min(max(GATHER_BYTES, rows * width), largest)
        capacity = max(1, wanted // width)
        self._flush_old()
        reserved = self._space.reserve(capacity * width)
        if reserved is None:
            return None
        entry, at = reserved
        columns = []
        for each in (row_bytes, *[8] * (1 + sum(kinds))):
            columns.append((at, each))
            at += each * capacity
        series.gathered = _Gathered(entry, capacity, tuple(columns), kinds)
        return series.gathered

    def _flush(self, series: Outgoing) -> None:
        """Passes on what was gathered."""
        gathered, series.gathered = series.gathered, None
        if gathered is None:
            return
        if gathered.rows == 0 or series.over:
            self._post_entry(Unused(gathered.entry))
            return
        columns = [Column(at, each * gathered.rows) for at, each in gathered.columns]
        features, labels, *others = columns
        predictions = others.pop(0) if gathered.kinds[0] else None
        sample_ids = others.pop(0) if gathered.kinds[1] else None
        self._post_entry(
            Batch(
                series.begin.series,
                gathered.entry,
                series.next_sequence,
                gathered.rows,
                features,
                labels,
                predictions,
                sample_ids,
                self._space.used,
            )
        )
        series.next_sequence += 1

    def _wait_for_room(self, series: Outgoing, patience: float | None) -> bool:
        """Waits for the helper to free some; returns False if that takes too long."""
        budget = (self._patience if patience is None else patience) - series.waited
        if budget <= 0 or not self.works:
            return False
        begin = time.monotonic()
        freed = self._changed.wait(budget)
        series.waited += time.monotonic() - begin
        return freed and not series.over

    # What the helper is told.

    def _post(self, message: Any) -> None:
        if self._process is not None:
            self._process.post(message)

    def _post_entry(self, message: Batch | Part | Unused) -> None:
        self._live[message.entry] = message
        self._post(message)

    def _post_end(self, series: Outgoing) -> None:
        with self._changed:
            series.end = End(
                series.begin.series, series.next_sequence, series.parts, series.partial
            )
            if not series.over:
                self._post(series.end)

    def _run_feeds(self) -> None:
        while (item := self._feeds.get()) is not None:
            job, held_bytes = item
            try:
                job()
            except Exception:
                log.exception("what ends an epoch could not be made")
            del job, item  # what it kept
            with self._changed:
                self._feeds_open -= 1
                self._feeds_bytes -= held_bytes
                self._changed.notify_all()

    def _send_parts(self, series: Outgoing, parts: Callable[[], Iterable[bytes]] | None) -> None:
        try:
            for data in parts() if parts is not None else ():
                if not self._send_part(series, data):
                    return
        except Exception as error:
            kind = error if isinstance(error, NcscopeError) else errors.ServerError(repr(error))
            self.abandon(series, kind)
            return
        self._post_end(series)

    def _send_part(self, series: Outgoing, data: bytes) -> bool:
        with self._changed:
            while True:
                if series.over or not self.works:
                    return False
                reserved = self._space.reserve(len(data))
                if reserved is not None:
                    break
                self._changed.wait(1.0)
            entry, at = reserved
            self._memory[at : at + len(data)] = np.frombuffer(data, np.uint8)
            column = Column(at, len(data))
            part = Part(series.begin.series, entry, series.parts, column, self._space.used)
            self._post_entry(part)
            series.parts += 1
        return True

    # The helper process.

    def _start_helper(self) -> None:
        try:
            self._process = HelperProcess(
                self._settings, self._ring_fd, self._receive, self._helper_is_gone
            )
        # ValueError: where processes inherit no sockets; RuntimeError: no thread starts any more.
        except (OSError, ValueError, RuntimeError) as error:
            self._without_helper(f"the helper process does not start: {error}")

    def _receive(self, message: Any) -> None:
        with self._changed:
            self._apply(message)

    def _helper_is_gone(self, process: HelperProcess) -> None:
        with self._changed:
            if process is not self._process or self._finished is not None:
                return
            self._process = None
            status = process.wait(1.0)
            if self._restarts >= MAX_RESTARTS:
                self._without_helper(f"the helper process ended again (status {status})")
                return
            self._restarts += 1
            log.warning("the helper process ended (status %s); starting it again", status)
            self._start_helper()
            self._tell_all()

    def _tell_all(self) -> None:
        """Tells a new helper what the one before knew."""
        first: dict[int, int] = {}
        for entry in self._live.values():
            if isinstance(entry, Batch):
                first.setdefault(entry.series, entry.sequence)
        for number, series in self._series.items():
            held = first.get(number, series.next_sequence)
            self._post(replace(series.begin, first=held, had_end=series.end is not None))
        for entry in self._live.values():
            self._post(entry)
        for series in self._series.values():
            if series.end is not None:
                self._post(series.end)
        if self._finishing is not None:
            self._post(self._finishing)

    def _without_helper(self, why: str) -> None:
        log.error("%s: nothing is measured any more", why)
        self._process = None
        for series in list(self._series.values()):
            self._give_up(series, Unavailable(why))
        self._changed.notify_all()

    def _apply(self, message: Any) -> None:
        if isinstance(message, Freed):
            if self._live.pop(message.entry, None) is not None:
                self._space.free(message.entry)
        elif isinstance(message, Reported):
            series = self._series.pop(message.series, None)
            if series is not None:
                self._settle(series, message.report)
        elif isinstance(message, Failed):
            series = self._series.get(message.series)
            if series is not None:
                kind = getattr(errors, message.error, errors.ServerError)
                self._give_up(series, kind(message.text))
        elif isinstance(message, Superseded):
            series = self._series.get(message.series)
            if series is not None:
                opened = service_pb2.Open.FromString(series.begin.open)
                opened.attempt = message.attempt
                series.begin = replace(series.begin, open=opened.SerializeToString())
            level = logging.INFO if self._superseded else logging.WARNING  # one tells enough
            self._superseded = True
            log.log(level, "%s", message.text)
        elif isinstance(message, Said):
            log.warning("%s", message.text)
        elif isinstance(message, Finished):
            self._finished = message
        self._changed.notify_all()

    def _settle(self, series: Outgoing, report: bytes | None) -> None:
        series.over = True
        self._settler.settle(series.future, report)

    def _give_up(self, series: Outgoing, error: Exception) -> None:
        """Ends a series that will not be reported."""
        self._series.pop(series.begin.series, None)
        self._flush(series)
        if series.over:
            return
        series.over = True
        if not isinstance(error, Unavailable):
            log.error("%s is not measured: %s", _name(series.future), error)
        self._settler.settle(series.future, error=error)


def _name(future: ReportFuture) -> str:
    return f"epoch {future.epoch} {future.split} of run {future.run!r}"


_open_senders: list[Sender] = []


def _forget_all() -> None:
    for sender in _open_senders:
        sender.forget()
    _open_senders.clear()


def _close_all() -> None:
    """When the program ends: all at once, within the longest time that one of them has."""
    open_senders = list(_open_senders)
    deadline = time.monotonic() + max((each.exit_timeout for each in open_senders), default=0.0)
    for each in open_senders:
        each.begin_close(max(0.0, deadline - time.monotonic()))
    for each in open_senders:
        each.close(max(0.0, deadline - time.monotonic()))


def close_all_at_exit() -> None:
    """Closes all when the program ends, before what registered its own end until now."""
    atexit.unregister(_close_all)
    atexit.register(_close_all)


close_all_at_exit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
