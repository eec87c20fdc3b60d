"""How other threads end what a stream waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .errors import Cancelled


class Cancellation:
    """Ends the calls of one stream, those to come too: by cancel(), or as its client closes."""

    def __init__(self, client_closed: threading.Event) -> None:
        """Takes what is set before the channel is closed."""
        self._client_closed = client_closed
        self._cancelled = threading.Event()
        self._newest: Any = None  # the call that began last

    def cancel(self) -> None:
        """Ends the call that goes on; no other begins."""
        self._cancelled.set()
        if self._newest is not None:
            self._newest.cancel()

    def check(self) -> None:
        """Raises Cancelled if there is nothing more to wait for."""
        if self._cancelled.is_set():
            raise Cancelled("the stream was cancelled")
        if self._client_closed.is_set():
            raise Cancelled("the client was closed")

    def begin(self, start: Callable[[], Any]) -> Any:
        """Returns the call that `start()` begins; cancel() ends it."""
        self.check()
        try:
            call = start()
        except ValueError:  # of gRPC: the channel was closed meanwhile
            raise Cancelled("the client was closed") from None
        self._newest = call
        if self._cancelled.is_set():  # cancel() may have come before, and ended another one
            call.cancel()
        return call

    def sleep(self, seconds: float) -> None:
        """Waits; raises Cancelled as soon as cancel() is called."""
        self._cancelled.wait(seconds)
        self.check()
