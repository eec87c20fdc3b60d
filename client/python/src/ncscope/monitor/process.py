"""A helper process, as the trainer sees it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .messages import Channel, Settings

# Meant for the trainer, which tells its helper.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


class HelperProcess:
    """Starts a helper; messages go to it and come from it in threads that may wait."""

    def __init__(
        self,
        settings: Settings,
        ring_fd: int,
        received: Callable[[Any], None],
        gone: Callable[[HelperProcess], None],
    ) -> None:
        """Raises OSError, ValueError or RuntimeError where it does not start.

        `received` is called with every message, and `gone` when there will be no more of them.
        """
        if os.name != "posix":
            raise OSError("a monitor needs Linux or macOS")
        self._received = received
        self._gone = gone
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        near, far = socket.socketpair()
        path = [each for each in sys.path if isinstance(each, str)]
        code = (  # not the trainer's main module
            f"import sys; sys.path[:] = {path!r}\n"
            "from ncscope.monitor.helper import main\n"
            f"main({far.fileno()}, {ring_fd})"
        )
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        environment.setdefault("GRPC_VERBOSITY", "NONE")  # what matters is logged by the trainer
        try:
            with _blocked_signals():
                self._popen = subprocess.Popen(
                    [sys.executable, "-c", code],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(far.fileno(), ring_fd),
                    start_new_session=True,
                    env=environment,
                )
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        self._channel = Channel(near)
        self.post(settings)
        for target, name in ((self._write, "write"), (self._read, "read")):
            threading.Thread(target=target, name=f"ncscope-{name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def post(self, message: Any) -> None:
        """Sends a message, later; None ends the thread that does it."""
        self._outbox.put(message)

    def wait(self, seconds: float) -> int | None:
        """Waits for its end; returns its status, None if it goes on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        return self._popen.returncode

    def forget(self) -> None:
        """In a process that was forked off: leaves the helper to the parent."""
        with contextlib.suppress(OSError):
            self._channel.close()
        self._popen.returncode = 0  # not a child of this process

    def _write(self) -> None:
        while (message := self._outbox.get()) is not None:
            try:
                self._channel.send(message)
            except OSError:
                return  # _read says so

    def _read(self) -> None:
        while (message := self._channel.receive()) is not None:
            self._received(message)
        self._channel.close()
        self.post(None)
        self._gone(self)


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    """Signals that come before a child ignores them wait: it inherits what this thread blocks."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
