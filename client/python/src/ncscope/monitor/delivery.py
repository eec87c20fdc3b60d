"""How the series of a store get to the server, however often that goes away."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from ..cancellation import Cancellation
from ..connection import Connection, StreamOptions
from ..errors import (
    AlreadyExists,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NcscopeError,
    NoProgress,
    NotFound,
    ResourceExhausted,
    Unavailable,
    from_rpc,
)
from ..service import raw_put_statistics
from ..v1 import service_pb2
from .messages import IN_FLIGHT_BYTES, Failed, Reported, Said, Superseded
from .store import Entry, Series, Store

# What another try may mend.
PASSING = (Unavailable, DeadlineExceeded, ResourceExhausted)
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between tries
# What one series sends before the next one has its turn, bytes.
TURN_BYTES = 8 << 20
# How often a server may be lost to a series without another batch of it applied.
MAX_FUTILE_TRIES = 10
# How often a series looks for an attempt that nobody has used.
MAX_ATTEMPTS = 10
# Seconds that one call waits for a report; it is asked again then.
REPORT_WAIT = 30.0
# Seconds after which what is durable by now is looked at.
IDLE = 0.1


@dataclass(eq=False)
class Way:
    """How far a series has come."""

    series: Series
    cancellation: Cancellation
    connection: Connection | None = None
    sent: int = 0  # number of the next batch to send
    parts_sent: int = 0
    was_open: bool = False  # the server has taken this attempt up
    confirmed: int = 0  # batches that the server has taken from this process
    closing: bool = False  # it was told that all is sent
    delivered: bool = False  # it has all, and only the report is waited for
    threads: int = 0  # that close it
    next_try: float = 0.0
    pause: float = FIRST_PAUSE
    futile: int = 0
    superseded: int = 0

    @property
    def busy(self) -> bool:
        """Whether a thread of its own closes it."""
        return self.threads > 0


@dataclass
class Reachability:
    """Whether the server is there; says when that changes."""

    tell: Callable[[Any], None]
    unreachable: bool = field(default=False, init=False)

    def lost(self, address: str, error: NcscopeError) -> None:
        """Says once that the server is away."""
        if not self.unreachable:
            self.tell(Said(f"{address}: {error}; samples are kept until it is back"))
        self.unreachable = True

    def back(self, address: str) -> None:
        """Says that it is there again."""
        if self.unreachable:
            self.tell(Said(f"{address} is back"))
        self.unreachable = False


class Delivery:
    """Sends what is in a store."""

    def __init__(
        self,
        store: Store,
        channel: grpc.Channel,
        calls: dict[str, Any],
        address: str,
        timeout: float,
        crc: bool,
        tell: Callable[[Any], None],
        keeps_refused: bool = False,
    ) -> None:
        """Takes the channel and its calls; `tell` passes messages on to the trainer.

        `keeps_refused`: what the server refuses stays on disk.
        """
        self._keeps_refused = keeps_refused
        self._store = store
        self._calls = calls
        self._put = raw_put_statistics(channel)
        self._address = address
        self._timeout = timeout
        self._options = StreamOptions(
            timeout=timeout,
            resume_timeout=0,  # a new connection begins where the server wants
            in_flight_bytes=IN_FLIGHT_BYTES,
            keep_bytes=0,  # the store has them
            crc=crc,
        )
        self._tell = tell
        self._server = Reachability(tell)
        self._stopped = threading.Event()
        self._ways: dict[int, Way] = {}
        self._thread = threading.Thread(target=self._run, name="ncscope-delivery", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits until the server has all, and reports have come; False if that takes longer."""
        with self._store.changed:
            return self._store.changed.wait_for(self._is_done, seconds)

    def stop(self) -> None:
        """Ends every call; the store keeps what was not delivered."""
        self._stopped.set()
        with self._store.changed:
            ways = list(self._ways.values())
            self._store.changed.notify_all()
        for way in ways:
            way.cancellation.cancel()
        self._thread.join(timeout=1.0)

    def _is_done(self) -> bool:
        waits = any(series.end or series.batches for series in self._store.series.values())
        return not waits and not any(way.busy for way in self._ways.values())

    def _run(self) -> None:
        turn = 0
        while not self._stopped.is_set():
            with self._store.changed:
                due = self._due()
                if not due:
                    self._store.changed.wait(IDLE)
                    due = self._due()
            self._let_go()
            if due:
                turn += 1
                self._advance(due[turn % len(due)])

    def _due(self) -> list[Way]:
        """Series that have something to do now.

        They are closed in the order in which they ended, so that the next epoch is not reported
        before; of the same epoch and split, the next one begins when the one before is delivered.
        """
        now = time.monotonic()
        out = []
        may_close = True
        keys = set()
        for series in list(self._store.series.values()):
            way = self._ways.get(series.begin.series)
            if way is None:
                way = self._ways[series.begin.series] = self._make_way(series)
            to_send = not series.begin.is_state and (
                way.sent < series.next_sequence or way.parts_sent < len(series.parts)
            )
            to_close = series.end is not None and may_close
            may_close = may_close and series.end is None
            key = series.open.key.SerializeToString()
            if key not in keys and (to_send or to_close) and not way.busy and now >= way.next_try:
                out.append(way)
            keys.add(key)
        return out

    def _make_way(self, series: Series) -> Way:
        way = Way(series, Cancellation(self._stopped), sent=series.first, confirmed=series.first)
        way.closing = series.begin.had_end
        return way

    def _may_close(self, way: Way) -> bool:
        """Whether it is the first of those that have ended; raises DataLoss if some is missing."""
        series = way.series
        with self._store.changed:
            for each in self._store.series.values():
                if each is not series and each.end is not None:
                    return False
                if each is series:
                    break
            end = series.end
            if end is None:
                return False
            if (way.sent, len(series.parts)) != (end.batches, end.parts):
                raise DataLoss(
                    f"expected {end.batches} batches and {end.parts} parts of what ends them; "
                    f"got {way.sent} and {len(series.parts)}"
                )
        return True

    def _let_go(self) -> None:
        for number, way in list(self._ways.items()):
            if way.series.over and not way.busy:  # nobody wants it any more
                self._ways.pop(number, None)
                way.cancellation.cancel()
            elif way.connection is not None and not way.busy:
                self._note_progress(way)
                self._store.release_before(way.series, way.connection.safe)

    def _advance(self, way: Way) -> None:
        """Sends some of a series; closes it once all is sent."""
        try:
            if way.series.begin.is_state:
                if self._may_close(way):
                    self._on_its_own(way, self._put_state)
            elif self._send_some(way) and self._may_close(way):
                self._on_its_own(way, self._close)
        except Cancelled:
            pass  # by stop()
        except Exception as error:
            self._failed(way, error)

    def _send_some(self, way: Way) -> bool:
        """Returns whether all is sent."""
        if way.connection is None:
            self._open(way)
        assert way.connection is not None
        sent = 0
        while sent < TURN_BYTES:
            entry, is_batch, complete = self._next_entry(way)
            if entry is None:
                return complete
            request = self._store.request_of(entry)
            if is_batch:
                way.connection.send_batch(request)
                way.sent += 1
            else:
                way.connection.send_unkept(request)
                way.parts_sent += 1
            sent += len(request)
            self._note_progress(way)
        return False

    def _note_progress(self, way: Way) -> None:
        assert way.connection is not None
        confirmed = way.connection.confirmed
        if confirmed > way.confirmed:
            way.confirmed, way.futile, way.pause = confirmed, 0, FIRST_PAUSE

    def _next_entry(self, way: Way) -> tuple[Entry | None, bool, bool]:
        """Returns the next entry, whether it is a batch, and whether none will follow if None."""
        series = way.series
        with self._store.changed:
            if way.sent < series.next_sequence:
                return series.batches[way.sent - series.first], True, False
            if way.parts_sent < len(series.parts):
                return series.parts[way.parts_sent], False, False
            return None, False, series.end is not None

    def _open(self, way: Way) -> None:
        series = way.series
        begin = max(series.first, way.confirmed)  # what is not confirmed is compared once more
        connection = Connection(self._calls, series.open, begin, self._options, way.cancellation)
        self._server.back(self._address)
        wanted = connection.backlog.end
        if wanted >= series.first:
            way.connection, way.sent, way.parts_sent, way.was_open = connection, wanted, 0, True
            return
        connection.abandon()
        raise DataLoss(
            f"the server wants batch {wanted} again, which it had confirmed; "
            f"those from {series.first} on are still there"
        )

    def _supersede(self, way: Way, error: Exception) -> bool:
        """Goes on as an attempt that nobody has used; False if that may not or cannot be."""
        series = way.series
        taken_before = isinstance(error, AlreadyExists) or (
            isinstance(error, (FailedPrecondition, InvalidArgument)) and not way.was_open
        )
        if not taken_before or not series.begin.may_supersede:
            return False
        if series.first > 0 or way.superseded >= MAX_ATTEMPTS:
            return False
        known = self._highest_attempt(series)
        if known is None or known < series.open.attempt:
            return False  # it is nobody else's
        way.superseded += 1
        series.open.attempt = known + 1
        way.sent, way.confirmed, way.was_open, way.closing = 0, 0, False, False
        key, attempt = series.open.key, series.open.attempt
        text = f"epoch {key.epoch} {key.split} of run {key.run!r} was streamed before ({error})"
        self._tell(
            Superseded(series.begin.series, attempt, f"{text}; replaced by attempt {attempt}")
        )
        return True

    def _highest_attempt(self, series: Series) -> int | None:
        """Returns that of what was reported or is streamed under the same name, if anything."""
        key = series.open.key
        found = []
        with contextlib.suppress(NotFound):
            asked = service_pb2.GetReportRequest(key=key, omit_classes=True)
            found.append(int(self._ask("GetReport", asked).report.attempt))
        with contextlib.suppress(NotFound):
            listed = self._ask("ListSeries", service_pb2.ListSeriesRequest(run=key.run))
            found += [int(each.attempt) for each in listed.series if each.key == _named(key)]
        return max(found, default=None)

    def _ask(self, method: str, request: Any) -> Any:
        try:
            return self._calls[method](request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise from_rpc(error, self._stopped.is_set()) from None

    def _on_its_own(self, way: Way, action: Callable[[Way], None]) -> None:
        """Does what waits for the server's metrics in a thread of its own."""

        def run() -> None:
            try:
                action(way)
            except Cancelled:
                pass  # by stop()
            except Exception as error:
                self._failed(way, error)
            finally:
                with self._store.changed:
                    way.threads -= 1
                    self._store.changed.notify_all()

        with self._store.changed:
            way.threads += 1
        threading.Thread(target=run, name="ncscope-close", daemon=True).start()

    def _close(self, way: Way) -> None:
        series = way.series
        assert way.connection is not None
        assert series.end is not None
        way.closing = True
        report = way.connection.close(series.end.partial, None)
        way.connection = None
        self._delivered(way, None if report is None else report.SerializeToString())

    def _put_state(self, way: Way) -> None:
        series = way.series
        opened = service_pb2.PutStatisticsRequest(open=series.open).SerializeToString()

        def requests() -> Any:
            yield opened
            for part in series.parts:
                if self._stopped.is_set():
                    return
                yield self._store.request_of(part)

        call = way.cancellation.begin(lambda: self._put.future(requests(), timeout=None))
        try:
            closed = call.result().closed
        except (grpc.FutureCancelledError, grpc.RpcError) as error:
            way.cancellation.check()
            raise from_rpc(error, cancelled=False) from None
        self._server.back(self._address)
        report = closed.report.SerializeToString() if closed.HasField("report") else None
        self._delivered(way, report)

    def _delivered(self, way: Way, report: bytes | None) -> None:
        """Lets go of a series that the server has; then waits for its report, if wanted."""
        series = way.series
        way.delivered = True
        self._store.remove(series)
        if report is None and series.begin.wants_report:
            report = self._wait_for_report(way)
        self._ways.pop(series.begin.series, None)
        self._tell(Reported(series.begin.series, report))

    def _wait_for_report(self, way: Way) -> bytes:
        """Asks until other ranks, or the train split, have let it be made."""
        opened = way.series.open
        request = service_pb2.GetReportRequest(key=opened.key, attempt=opened.attempt, wait=True)
        while True:
            call = way.cancellation.begin(
                lambda: self._calls["GetReport"].future(request, timeout=REPORT_WAIT)
            )
            try:
                return bytes(call.result().report.SerializeToString())
            except (grpc.FutureCancelledError, grpc.RpcError) as error:
                way.cancellation.check()
                refusal = from_rpc(error, cancelled=False)
                if not isinstance(refusal, PASSING):
                    raise refusal from None
                way.cancellation.sleep(FIRST_PAUSE)

    def _failed(self, way: Way, error: Exception) -> None:
        """Tries again later where that may help; else gives the series up, and says so."""
        series = way.series
        connection = way.connection
        if connection is not None:
            self._note_progress(way)
            connection.abandon()
            way.connection = None
        elif (
            isinstance(error, AlreadyExists)
            and way.closing
            and way.confirmed == series.next_sequence
        ):  # the answer to Close was lost
            return self._on_its_own(way, lambda way: self._delivered(way, None))
        try:
            if not way.delivered and self._supersede(way, error):
                return
        except NcscopeError as refusal:
            error = refusal
        if isinstance(error, PASSING) and not way.delivered:
            self._server.lost(self._address, error)
            if connection is not None:  # it was there
                way.futile += 1
            if way.futile <= MAX_FUTILE_TRIES:
                way.next_try = time.monotonic() + way.pause
                way.pause = min(2 * way.pause, LONGEST_PAUSE)
                return
            error = NoProgress(f"the server was lost {way.futile} times without progress: {error}")
        self._store.remove(series, on_disk=not self._keeps_refused)
        self._ways.pop(series.begin.series, None)
        kind = type(error).__name__ if isinstance(error, NcscopeError) else "ServerError"
        self._tell(Failed(series.begin.series, kind, str(error) or repr(error)))


def _named(key: Any) -> Any:
    """A key as the server lists it: with the names that empty ones stand for."""
    named = type(key)()
    named.CopyFrom(key)
    named.split = key.split or "train"
    named.layer = key.layer or "features"
    return named
