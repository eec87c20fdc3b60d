"""One Stream call: sends requests in order and collects what the server says meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc

from .errors import NcscopeError, ServerError, Unavailable, from_rpc
from .v1 import service_pb2


class StreamCall:
    """A call in progress; a thread reads the answers, gRPC's own thread takes the requests."""

    def __init__(self, stub: Any, open_request: bytes) -> None:
        """Starts the call with a serialised Open."""
        lock = threading.RLock()
        # gRPC's thread needs no news of acknowledgements: threads that wake take the interpreter's
        # lock from those that send.
        self._changed = threading.Condition(lock)
        self._to_send = threading.Condition(lock)
        self._outbox: deque[bytes] = deque([open_request])
        self._half_closed = False
        self.unsent = len(open_request)  # bytes that gRPC has not taken yet
        self.opened: service_pb2.Opened | None = None
        self.closed: service_pb2.Closed | None = None
        self.received = 0  # batches that the server has applied
        self.durable = 0  # batches that a crash of the server cannot lose
        self.reports_durable = False  # whether it says which ones those are
        self._acks = 0  # of this call
        self._acknowledged = 0  # batches that the server has applied, as those say
        self._opened_at = 0.0
        self.lasted = 0.0  # seconds from Opened to the end, once it has ended
        self.ended = False
        self.error: NcscopeError | None = None
        self._call = stub(self)
        threading.Thread(target=self._read, name="ncscope-stream", daemon=True).start()

    def send(self, request: bytes) -> None:
        """Queues a request; the caller bounds how much is queued."""
        with self._changed:
            self._outbox.append(request)
            self.unsent += len(request)
            self._to_send.notify()

    def half_close(self) -> None:
        """Says that no more requests follow."""
        with self._changed:
            self._half_closed = True
            self._to_send.notify()

    def wait(self, until: Callable[[], bool], timeout: float | None) -> bool:
        """Waits until `until()` holds or the call has ended; False if neither in `timeout` s."""
        with self._changed:
            return self._changed.wait_for(lambda: self.ended or until(), timeout)

    def cancel(self) -> None:
        """Ends the call at once."""
        self._call.cancel()

    def acknowledged_from(self, first: int) -> int:
        """Batches acknowledged to this call, of which `first` is the first that it sent.

        0 before there is one. Of a batch that the server had already, an Ack says how far the
        server is, not the batch: there is one for each.
        """
        with self._changed:
            if self.opened is not None and first >= self.opened.next_sequence:
                return self._acknowledged
            return min(self._acknowledged, first + self._acks)

    def __iter__(self) -> StreamCall:
        return self

    def __next__(self) -> bytes:
        """Gives gRPC the next request, and ends its thread when the call is over."""
        with self._changed:
            self._to_send.wait_for(lambda: self._outbox or self._half_closed or self.ended)
            if self.ended or not self._outbox:
                raise StopIteration
            request = self._outbox.popleft()
            self.unsent -= len(request)
            self._changed.notify_all()
            return request

    def _read(self) -> None:
        error: NcscopeError | None = None
        try:
            for response in self._call:
                self._apply(response)
        except grpc.RpcError as rpc_error:
            error = from_rpc(rpc_error, cancelled=False)  # who cancelled knows
        except Exception as unexpected:  # must not leave a caller waiting
            error = ServerError(f"the server's answer could not be read: {unexpected!r}")
        with self._changed:
            if error is None and self.closed is None:
                error = Unavailable("the server ended the stream before it was closed")
            self.error = error
            self.lasted = 0.0 if self.opened is None else time.monotonic() - self._opened_at
            self.ended = True
            self._changed.notify_all()
            self._to_send.notify()

    def _apply(self, response: service_pb2.StreamResponse) -> None:
        with self._changed:
            if response.HasField("opened"):
                self.opened = response.opened
                self._opened_at = time.monotonic()
                self.received = max(self.received, response.opened.next_sequence)
                self.reports_durable = response.opened.tells_durable
                if response.opened.HasField("durable_sequence"):
                    self.durable = response.opened.durable_sequence + 1
            elif response.HasField("ack"):
                self._acks += 1
                self._acknowledged = max(self._acknowledged, response.ack.received_sequence + 1)
                self.received = max(self.received, self._acknowledged)
                if response.ack.HasField("durable_sequence"):
                    self.reports_durable = True
                    self.durable = max(self.durable, response.ack.durable_sequence + 1)
            elif response.HasField("closed"):
                self.closed = response.closed
            self._changed.notify_all()
