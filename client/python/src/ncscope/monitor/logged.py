"""Which report goes to the trackers of a monitor next."""

from __future__ import annotations

import functools
import threading
from collections import deque
from concurrent.futures import Future

from ..report import Report
from ..trackers import Guarded
from .future import ReportFuture

# Reports of a split that wait for an earlier one, which may never come.
MOST_HELD = 16


class Trackers:
    """The trackers of one monitor, which get the reports of a split in the order of its epochs.

    Reports do not arrive in that order, and readers of event files drop what goes backwards. One
    that arrives early waits for those before it, to succeed or to fail.
    """

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._trackers: tuple[Guarded, ...] = ()
        self._expected: dict[str, deque[ReportFuture]] = {}

    def add(self, tracker: Guarded) -> None:
        """Logs what arrives from now on."""
        self._trackers = (*self._trackers, tracker)

    def expect(self, future: ReportFuture) -> None:
        """An epoch is measured: its report goes to the trackers that are there when it comes."""
        with self._lock:
            self._expected.setdefault(future.split, deque()).append(future)
        future.add_done_callback(functools.partial(self._settled, future.split))

    def close(self) -> None:
        """Logs what is held back; called in the thread that settles futures, after the last one."""
        for split in list(self._expected):
            for future in self._next(split, most_held=0):
                self._log(future)
        for tracker in self._trackers:
            tracker.close()

    def _settled(self, split: str, future: Future[Report | None]) -> None:
        """Called in the thread that settles futures, unless a user cancels one in another."""
        if not future.cancelled():
            for each in self._next(split, MOST_HELD):
                self._log(each)

    def _next(self, split: str, most_held: int) -> list[ReportFuture]:
        """Takes the reports whose turn it is."""
        out = []
        with self._lock:
            queue = self._expected[split]
            done = sum(future.done() for future in queue)
            while queue and (queue[0].done() or done > most_held):
                future = queue.popleft()
                if future.done():
                    out.append(future)
                    done -= 1
        return out

    def _log(self, future: ReportFuture) -> None:
        trackers = self._trackers
        if not trackers or future.cancelled() or future.exception() is not None:
            return
        report = future.result()
        if report is not None:
            for tracker in trackers:
                tracker.log(report)
