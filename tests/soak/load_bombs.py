"""Scenario: little that is sent, and much that a server might make of it."""

import contextlib
import gzip
import struct
import time

import worker
from frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    Connection,
    Gone,
    call_headers,
    field,
    frame,
    integer,
    message,
    text,
)
from honest import Honest
from loaded_server import MIB, LoadError, Server
from ncscope.v1 import service_pb2

GZIP_SIZE = 512 * MIB  # of what a message would expand to
LARGEST_HEADERS = 7_000  # gRPC takes 8 KiB
CALLS = 1_000  # of one connection


def zipped():
    """A message of a batch that expands to GZIP_SIZE."""
    packed = [gzip.compress(bytes(MIB), 9)] * (GZIP_SIZE // MIB)  # members of one stream
    return message(b"".join(packed), compressed=True)


def gzip_bomb(method, encoding):
    def send(connection):
        connection.read(1.0)  # its settings
        connection.begin(1, method, *(("grpc-encoding", name) for name in encoding))
        if method == "Stream" and not encoding:
            opened = worker.open_message("gzip", "train", 0, 1)
            request = service_pb2.StreamRequest(open=opened).SerializeToString()
            connection.data(1, message(request))
        content, sent = zipped(), 0
        end = time.monotonic() + 5
        while sent < len(content) and time.monotonic() < end:
            sent += connection.data(1, content[sent:])
            frames = connection.read(0.01)
            if any(kind == HEADERS and flags & END_STREAM for kind, flags, _, _ in frames):
                return  # refused

    return send


def block(begin, more, count):
    """A header block in `count` + 1 frames, which does not end."""

    def send(connection):
        connection.send(frame(HEADERS, 0, 1, call_headers("GetReport") + begin))
        part = frame(CONTINUATION, 0, 1, more)
        for _ in range(count):
            connection.send(part)

    return send


def many_calls(method):
    """Calls that begin with large headers, say nothing more and do not end."""

    def send(connection):
        headers = call_headers(method, ("x", "1" * LARGEST_HEADERS))
        for number in range(CALLS):
            connection.send(frame(HEADERS, END_HEADERS, 2 * number + 1, headers))

    return send


def reset_calls(connection):
    """Calls that are reset as soon as they have begun."""
    headers = call_headers("Stream")
    for number in range(5_000):
        stream = 2 * number + 1
        begun = frame(HEADERS, END_HEADERS, stream, headers)
        connection.send(begun + frame(RST_STREAM, 0, stream, bytes(4)))


def control(kind, payload):
    """Frames that ask for answers, which are not read."""

    def send(connection):
        part = frame(kind, 0, 0, payload) * 100
        for _ in range(2_000):
            connection.send(part)

    return send


def entries_of_table(connection):
    """Header blocks that name an entry of 4 KB in a byte, over and over."""
    connection.send(
        frame(HEADERS, END_HEADERS, 1, call_headers("Stream") + field("a", "1" * 3_900, True))
    )
    for number in range(1, 1_000):
        headers = call_headers("Stream") + b"\xbe" * 8_000
        connection.send(frame(HEADERS, END_HEADERS, 2 * number + 1, headers))


BOMBS = {
    "gzip, said": gzip_bomb("Stream", ["gzip"]),
    "gzip, not said": gzip_bomb("Stream", []),
    "gzip, unary": gzip_bomb("GetReport", ["gzip"]),
    "many fields": block(b"", field("a", "1") * 1_000, 4_000),
    "large fields": block(b"", field("a", "1" * 4_000), 40_000),
    "long value": block(b"\0" + text("a") + integer(1 << 30, 7), b"1" * 16_384, 4_000),
    "long integer": block(b"\0" + text("a") + b"\x7f", b"\x80" * 16_384, 4_000),
    "empty frames": block(b"", b"", 1_000_000),
    "entries of the table": entries_of_table,
    "calls of Stream": many_calls("Stream"),
    "calls of GetReport": many_calls("GetReport"),
    "calls that are reset": reset_calls,
    "pings": control(PING, b"12345678"),
    "settings": control(SETTINGS, struct.pack(">HI", 4, 65_535)),
}


# While --max-threads streams are open nobody gets another one.
TAKE_ALL = {"calls of Stream"}


def drop(server, honest, name, count):
    """Drops a bomb `count` times, by connections that stay.

    Returns the CPU time of the server, and after how long it served somebody else.
    """
    before = server.cpu_seconds()
    connections = []
    for _ in range(count):
        connections.append(Connection(server.address))
        with contextlib.suppress(Gone):  # refused
            BOMBS[name](connections[-1])
    took = 0.0 if name in TAKE_ALL else honest.serve_within(10)
    for connection in connections:
        connection.close()
    took = max(took, honest.serve_within(10))
    return server.cpu_seconds() - before, took


def bombs(folder, count):
    """Each bomb is dropped by `count` connections, to a server of its own."""
    for number, name in enumerate(BOMBS):
        with Server(folder / f"bomb{number}") as server:
            with server.bounded() as used:
                honest = Honest(server.address)
                spent, took = drop(server, honest, name, count)
            print(
                f"bomb: {name}, {count} times, {spent:.1f} s of CPU, {used() / MIB:.0f} MiB;"
                f" another client is served in {took:.1f} s",
                flush=True,
            )
            if spent > 10 + count:
                raise LoadError(f"{name}: {spent:.1f} s of CPU")
