"""What a Stream sends, over one call after another: it outlives a connection that breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from .backlog import Backlog
from .call import StreamCall
from .cancellation import Cancellation
from .errors import (
    AlreadyExists,
    DataLoss,
    DeadlineExceeded,
    NcscopeError,
    NoProgress,
    Unavailable,
    from_rpc,
)
from .v1 import report_pb2, service_pb2

# How often in a row a stream recovers from a lost connection without a batch being acknowledged
# that was not before: a server that is lost over the same batches each time would be for ever.
MAX_FUTILE_RECOVERIES = 3
# Seconds after which a call that breaks is no futile recovery: a proxy may end it while the report
# is made. Unless it began with fewer batches than were acknowledged: that server was lost itself.
LASTING_CALL = 10.0


@dataclass(frozen=True)
class StreamOptions:
    """Limits of a stream."""

    timeout: float = 60.0
    """Seconds to wait for the server to open, and to make room for the next batch."""
    resume_timeout: float = 30.0
    """Seconds to try to reach a server that went away; 0 gives up at once."""
    in_flight_bytes: int = 32 << 20
    """Bytes sent ahead of the server's acknowledgements."""
    keep_bytes: int = 64 << 20
    """Bytes kept of batches that a crash of the server could still lose. Where the server says
    which ones those are, `add` waits rather than let go of more; 0 keeps none, and waits for none.
    """
    crc: bool = False
    """Whether batches carry a checksum; needs the package crc32c."""


class Connection:
    """The batches, the classifier and the close of one rank, on their way to the server."""

    def __init__(
        self,
        calls: dict[str, Any],
        open_message: service_pb2.Open,
        begin: int | None,
        options: StreamOptions,
        cancellation: Cancellation,
    ) -> None:
        """Opens; raises what the server says about that.

        `begin`: number of the first batch that is sent, if the server does not want an earlier one;
        None for the one that it wants. What it has already, it compares.
        """
        self._calls = calls
        self._open = open_message
        self._options = options
        self._classifier: list[bytes] = []
        self._close: bytes | None = None
        self._failure: NcscopeError | None = None
        self._cancellation = cancellation
        self._call = self._connect()
        opened = self._call.opened
        assert opened is not None
        wanted = opened.next_sequence
        self.backlog = Backlog(wanted if begin is None else min(begin, wanted))
        self.max_message_bytes = opened.max_message_bytes
        self._had = opened.next_sequence  # batches of the server before this stream
        self._first = self.backlog.end  # that the present call sends
        self._begin = self.backlog.end
        self._furthest = self._first  # most batches of this stream that were ever acknowledged
        self._futile_recoveries = 0  # since then

    @property
    def received(self) -> int:
        """Batches that the server has applied."""
        return self._call.received

    @property
    def confirmed(self) -> int:
        """Batches that the server has taken from this stream, or that came before it."""
        return max(self._begin, self._call.acknowledged_from(self._first))

    @property
    def safe(self) -> int:
        """Batches that need not be kept: confirmed, and durable where the server tells that."""
        call = self._call
        theirs = call.durable if call.reports_durable else call.received
        return min(theirs, self.confirmed)

    def check(self) -> None:
        """Raises the error that ended the connection, if one has."""
        if self._failure is not None:
            raise self._failure

    def send_batch(self, data: bytes) -> None:
        """Queues the next batch as soon as few enough bytes are ahead of the server."""
        room = max(0, self._options.in_flight_bytes - len(data))  # one batch may always be ahead
        keep = max(0, self._options.keep_bytes - len(data))
        self._wait(
            lambda call: (
                self.backlog.bytes_from(call.received) <= room
                and (not self._keeps_all(call) or self.backlog.bytes_from(call.durable) <= keep)
            )
        )
        self.backlog.append(data)
        self._call.send(data)

    def send_classifier(self, requests: list[bytes]) -> None:
        """Queues the chunks of a classifier, which replace those of an earlier one.

        Waits until what is queued already is down to `in_flight_bytes`, so that a trainer that
        sends one at every step holds two of them at most.
        """
        self._wait(lambda call: call.unsent <= self._options.in_flight_bytes)
        self._classifier = requests
        for request in requests:
            self._call.send(request)

    def send_unkept(self, request: bytes) -> None:
        """Queues a chunk of a classifier that is sent again by the caller, where need be."""
        self._wait(lambda call: call.unsent <= self._options.in_flight_bytes)
        self._call.send(request)

    def flush(self) -> None:
        """Waits until the server has applied every batch."""
        self._wait(lambda call: call.received >= self.backlog.end)

    def close(self, partial: bool, timeout: float | None) -> report_pb2.Report | None:
        """Closes the rank; returns the report if there is one already."""
        message = service_pb2.Close(batches=self.backlog.end, partial=partial)
        self._close = service_pb2.StreamRequest(close=message).SerializeToString()
        self._send_close(self._call)
        self._wait(lambda call: call.closed is not None, timeout, bounded=timeout is not None)
        closed = self._call.closed
        if closed is None:
            return self._report_made_meanwhile()
        return closed.report if closed.HasField("report") else None

    def abandon(self) -> None:
        """Ends the call without closing the rank; the connection is not used any more."""
        self._call.cancel()

    def _connect(self) -> StreamCall:
        """Starts a call and waits for Opened."""
        request = service_pb2.StreamRequest(open=self._open).SerializeToString()
        call: StreamCall = self._cancellation.begin(
            lambda: StreamCall(self._calls["Stream"], request)
        )
        in_time = call.wait(lambda: call.opened is not None, self._options.timeout)
        if call.error is not None:
            self._cancellation.check()
            raise call.error
        if not in_time:
            call.cancel()
            raise DeadlineExceeded(f"no answer to Open within {self._options.timeout} s")
        return call

    def _wait(
        self,
        until: Callable[[StreamCall], bool],
        timeout: float | None = None,
        bounded: bool = True,
    ) -> None:
        """Waits for `until(call)`, reconnecting where the server went away."""
        self.check()
        self._require_wanted()
        timeout = self._options.timeout if timeout is None and bounded else timeout
        while True:
            call = self._call
            in_time = call.wait(lambda call=call: until(call), timeout)  # type: ignore[misc]
            keep = None if self._keeps_all(call) else self._options.keep_bytes
            confirmed = self.confirmed
            self.backlog.let_go(min(call.durable, confirmed), min(call.received, confirmed), keep)
            if call.error is not None:
                if self._recover(call.error):
                    return
            elif in_time:
                return
            else:
                self._fail(DeadlineExceeded(f"the server did not catch up within {timeout} s"))

    def _keeps_all(self, call: StreamCall) -> bool:
        """Whether batches stay until they are durable."""
        return call.reports_durable and self._options.keep_bytes > 0

    def _recover(self, error: NcscopeError) -> bool:
        """Reconnects after the server went away; raises everything else.

        Returns True if there is nothing left to do: it had been closing, and the report is made.
        """
        self._require_wanted()
        if not isinstance(error, Unavailable):
            self._fail(error)
        self._require_progress(error)
        deadline = time.monotonic() + self._options.resume_timeout
        delay = 0.1
        while True:
            if time.monotonic() + delay > deadline:
                self._fail(error)
            try:
                self._cancellation.sleep(delay)
                delay = min(2 * delay, 2.0)
                self._go_on(self._connect())
                self._futile_recoveries += 1  # until the call proves otherwise
                return False
            except Unavailable:
                continue
            except NcscopeError as refusal:
                if isinstance(refusal, AlreadyExists) and self._close is not None:
                    return True
                self._fail(refusal)

    def _require_progress(self, error: NcscopeError) -> None:
        """Raises NoProgress if recoveries have led nowhere often enough."""
        call = self._call
        assert call.opened is not None
        came = call.opened.next_sequence
        acknowledged = call.acknowledged_from(self._first)
        if came > self._had:  # what Acks were lost of
            acknowledged = max(acknowledged, came)
        if acknowledged > self._furthest:
            self._furthest = acknowledged
            self._futile_recoveries = 0
        elif call.lasted >= LASTING_CALL and came >= self._furthest:
            self._futile_recoveries = 0
        if self._futile_recoveries < MAX_FUTILE_RECOVERIES:
            return
        closing = self._close is not None and call.received >= self.backlog.end
        hope = "the report may still be made: ask for it; else " if closing else ""
        self._fail(
            NoProgress(
                f"the server was lost {MAX_FUTILE_RECOVERIES + 1} times in a row with "
                f"{self._furthest} batches acknowledged and no more, last by: {error}; its log "
                f"says more; {hope}mend the cause, then stream the epoch again"
            )
        )

    def _require_wanted(self) -> None:
        """Raises Cancelled if the stream was cancelled, or the client closed."""
        try:
            self._cancellation.check()
        except NcscopeError as error:
            self._fail(error)

    def _go_on(self, call: StreamCall) -> None:
        """Sends again what the server does not have."""
        assert call.opened is not None
        wanted = call.opened.next_sequence
        if wanted < self.backlog.first:
            call.cancel()
            raise DataLoss(
                f"the server came back wanting batch {wanted}; this stream still has "
                f"those from {self.backlog.first} on (see keep_bytes)"
            )
        # What it has not confirmed may be another's under the same name: it compares.
        begin = min(wanted, max(self._furthest, self.backlog.first))
        self._call = call
        self._first = begin
        for request in self._classifier:
            call.send(request)
        for data in self.backlog.batches_from(begin):
            call.send(data)
        if self._close is not None:
            self._send_close(call)

    def _send_close(self, call: StreamCall) -> None:
        assert self._close is not None
        call.send(self._close)
        call.half_close()

    def _report_made_meanwhile(self) -> report_pb2.Report:
        """Fetches the report that the server made of this attempt while it was out of reach."""
        request = service_pb2.GetReportRequest(key=self._open.key, attempt=self._open.attempt)
        call = self._cancellation.begin(
            lambda: self._calls["GetReport"].future(request, timeout=self._options.timeout)
        )
        try:
            report: report_pb2.Report = call.result().report
        except (grpc.FutureCancelledError, grpc.RpcError) as error:
            self._cancellation.check()
            raise from_rpc(error, cancelled=False) from None
        if report.attempt != self._open.attempt:
            raise AlreadyExists(f"attempt {report.attempt} replaced attempt {self._open.attempt}")
        return report

    def _fail(self, error: NcscopeError) -> NoReturn:
        """Ends the connection with `error`, which every later use raises too."""
        self._call.cancel()
        self._failure = error
        raise error
