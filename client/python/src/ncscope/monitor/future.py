"""A report that is still being made."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from ..report import Report
from ..v1 import report_pb2


class ReportFuture(Future["Report | None"]):
    """The report of one epoch and split, once the server has made it.

    `result(timeout)` waits for it, and raises what kept it from being made: an NcscopeError, or
    TimeoutError. It is None for a rank other than 0, unless that one closed last. Nothing of it
    happens in the training's thread before it is asked for.
    """

    def __init__(self, run: str, epoch: int, split: str, layer: str) -> None:
        """Names what it is the report of."""
        super().__init__()
        self.run = run
        self.epoch = epoch
        self.split = split
        self.layer = layer
        self._parsed: Report | None = None

    def result(self, timeout: float | None = None) -> Report | None:
        """Returns the report; waits up to `timeout` seconds, or for ever."""
        found = super().result(timeout)
        if isinstance(found, bytes):
            if self._parsed is None:  # a large one takes a while: not in a thread of the monitor
                self._parsed = Report.from_message(report_pb2.Report.FromString(found))
            return self._parsed
        return found

    def __repr__(self) -> str:
        state = "done" if self.done() else "pending"
        return f"<ReportFuture {self.run!r} epoch {self.epoch} {self.split} {state}>"


class Settler:
    """Settles futures in a thread of its own, where what users attach to them may take time."""

    def __init__(self) -> None:
        """Starts the thread: none can be started any more when a program ends."""
        self._finished = False
        self._queue: queue.SimpleQueue[tuple[ReportFuture, bytes | None, Exception | None] | None]
        self._queue = queue.SimpleQueue()
        self._last: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="ncscope-reports", daemon=True)
        self._thread.start()

    def settle(
        self, future: ReportFuture, report: bytes | None = None, error: Exception | None = None
    ) -> None:
        """Gives a future a serialised report, None or an error."""
        if self._finished:
            _settle(future, report, error)
        else:
            self._queue.put((future, report, error))

    def finish(self, seconds: float, last: Callable[[], None]) -> None:
        """Waits until all are settled, and `last` is done in the same thread after them.

        Later ones are settled at once.
        """
        self._finished = True
        self._last = last
        self._queue.put(None)
        if threading.current_thread() is not self._thread:  # a callback may close the monitor
            self._thread.join(seconds)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            _settle(*item)
            del item
        if self._last is not None:
            self._last()


def _settle(future: ReportFuture, report: bytes | None, error: Exception | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(report)  # type: ignore[arg-type]  # parsed by result()
    except Exception:
        logging.getLogger("ncscope").exception("what waits for a report failed")
