"""Copies off a GPU that the trainer does not wait for."""

from __future__ import annotations

import logging
import os
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

log = logging.getLogger("ncscope")

# Page-locked memory for copies that go on, bytes; more are dropped.
MOST_BYTES = 64 << 20


class Copies:
    """Brings tensors to the host on a stream of their own, and passes them on in order."""

    def __init__(self) -> None:
        """Starts its thread with the first copy."""
        self._changed = threading.Condition()
        self._jobs: queue.SimpleQueue[tuple[Any, int, Callable[[], None]]] = queue.SimpleQueue()
        self._pending = 0
        self._bytes = 0
        self._streams: dict[Any, Any] = {}
        self._thread: threading.Thread | None = None
        _all.add(self)

    def submit(self, tensors: list[Any], use: Callable[[list[Any]], None]) -> bool:
        """Calls `use`, which raises nothing, with host copies of CUDA tensors, later.

        What the trainer does to the tensors afterwards, on its stream, waits for the copies. False
        if too many wait already, or kernels are being recorded rather than run.
        """
        import torch

        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        with self._changed:
            if self._bytes and self._bytes + size > MOST_BYTES:
                return False
        if torch.cuda.is_current_stream_capturing():
            return False
        device = tensors[0].device
        current = torch.cuda.current_stream(device)
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)
        stream = self._streams[device]
        stream.wait_stream(current)
        copies = []
        with torch.cuda.stream(stream):
            for tensor in tensors:
                host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
                host.copy_(tensor, non_blocking=True)
                tensor.record_stream(stream)
                copies.append(host)
            done = torch.cuda.Event()
            done.record(stream)
        current.wait_event(done)
        self._add(done, size, lambda: use(copies))
        return True

    def after(self, action: Callable[[], None]) -> None:
        """Does something after all copies so far: now, if there are none."""
        with self._changed:
            idle = self._pending == 0
        if idle:
            action()
        else:
            self._add(None, 0, action)

    def wait(self, seconds: float) -> None:
        """Waits until all is passed on."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending == 0, seconds)

    def forget(self) -> None:
        """In a process that was forked off: the thread is the parent's."""
        self._changed = threading.Condition()
        self._pending = 0

    def _add(self, done: Any, size: int, action: Callable[[], None]) -> None:
        with self._changed:
            self._pending += 1
            self._bytes += size
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="ncscope-copies", daemon=True
                )
                self._thread.start()
        self._jobs.put((done, size, action))

    def _run(self) -> None:
        while True:
            done, size, action = self._jobs.get()
            try:
                if done is not None:
                    done.synchronize()  # lets other threads run
                action()
            except Exception:
                log.exception("samples could not be copied to the host")
            del action
            with self._changed:
                self._pending -= 1
                self._bytes -= size
                self._changed.notify_all()


_all: weakref.WeakSet[Copies] = weakref.WeakSet()


def _forget_all() -> None:
    for each in list(_all):
        each.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
