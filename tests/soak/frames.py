"""HTTP/2 and gRPC by hand, for clients that no library would be."""

import contextlib
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
SERVICE = "/ncscope.v1.NeuralCollapseService/"
LARGEST_FRAME = 16_384


def frame(kind, flags, stream, payload=b""):
    """Returns one frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value, bits, first=0):
    """Returns an integer of HPACK with a prefix of so many bits."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    """Returns a string of HPACK, not compressed."""
    value = value.encode() if isinstance(value, str) else value
    return integer(len(value), 7) + value


def field(name, value, indexed=False):
    """Returns a literal field of a header block; `indexed`: which both sides remember."""
    return (b"\x40" if indexed else b"\0") + text(name) + text(value)


def call_headers(method, *more):
    """Returns the header block that begins a call of the service."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", SERVICE + method)]
    fields += [(":authority", "localhost"), ("te", "trailers")]
    fields += [("content-type", "application/grpc"), *more]
    return b"".join(field(name, value) for name, value in fields)


def message(payload, compressed=False, announced=None):
    """Returns a message of gRPC; `announced`: another length than it has."""
    length = len(payload) if announced is None else announced
    return struct.pack(">BI", compressed, length) + payload


class Gone(Exception):
    """The server ended the connection, or takes nothing more."""


class Connection:
    """A connection that has spoken HTTP/2. Nothing is read unless `read` is called."""

    def __init__(self, address, settings=(), timeout=5.0, receive_buffer=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.windows = {0: 65_535}  # what the server takes of a stream, and of all (0)
        self.initial_window = 65_535
        payload = b"".join(struct.pack(">HI", key, value) for key, value in settings)
        self.send(PREFACE + frame(SETTINGS, 0, 0, payload))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def begin(self, stream, method, *more):
        """Begins a call; `more` are further header fields."""
        self.windows[stream] = self.initial_window
        self.send(frame(HEADERS, END_HEADERS, stream, call_headers(method, *more)))

    def read(self, timeout):
        """Returns frames that come within so many seconds: (kind, flags, stream, payload)."""
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(1 << 20)
        except (TimeoutError, BlockingIOError):
            return []
        except OSError as error:
            raise Gone(str(error)) from error
        finally:
            with contextlib.suppress(OSError):
                self.socket.settimeout(5.0)
        if not data:
            raise Gone("closed")
        self.received += data
        return list(self._frames())

    def _frames(self):
        while len(self.received) >= 9:
            length = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + length:
                return
            kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
            payload = self.received[9 : 9 + length]
            self.received = self.received[9 + length :]
            self._note(kind, flags, stream, payload)
            yield kind, flags, stream, payload

    def _note(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE:
            more = struct.unpack(">I", payload)[0]
            self.windows[stream] = self.windows.get(stream, self.initial_window) + more
        elif kind == SETTINGS and not flags & ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                if key == INITIAL_WINDOW_SIZE:
                    for other in self.windows.keys() - {0}:
                        self.windows[other] += value - self.initial_window
                    self.initial_window = value
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))

    def data(self, stream, payload, flags=0):
        """Sends as much as the windows let it; returns how much that was."""
        sent = 0
        while sent < len(payload):
            size = min(len(payload) - sent, LARGEST_FRAME, self.windows[0], self.windows[stream])
            if size <= 0:
                break
            self.send(frame(DATA, flags, stream, payload[sent : sent + size]))
            self.windows[0] -= size
            self.windows[stream] -= size
            sent += size
        return sent

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
