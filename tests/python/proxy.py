"""A TCP connection that a test can cut."""

import contextlib
import socket
import threading


class Proxy:
    """Forwards 127.0.0.1:port to `target`; `cut` breaks what is open, `refuse` what comes."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = []
        self._lock = threading.Lock()
        self._forwarded = 0
        self._cut_at = None
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count):
        """Cuts once, when `count` more bytes have gone to the server."""
        with self._lock:
            self._cut_at = self._forwarded + count

    def cut(self):
        """Breaks every open connection."""
        with self._lock:
            sockets, self._open = self._open, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self):
        """Cuts, and takes no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target, timeout=10)
                except OSError:  # the server is away
                    near.close()
                    continue
                far.settimeout(None)
                with self._lock:
                    self._open += [near, far]
                for pair in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source, sink, counts):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if counts and self._count(len(data)):
                    self.cut()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self, bytes_forwarded):
        with self._lock:
            self._forwarded += bytes_forwarded
            due = self._cut_at is not None and self._forwarded >= self._cut_at
            if due:
                self._cut_at = None
            return due
