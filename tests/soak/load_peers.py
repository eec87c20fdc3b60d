"""Scenarios: many callers that do not read, and many that send slowly or less than they say."""

import time

import worker
from frames import (
    DATA,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RST_STREAM,
    Connection,
    Gone,
    message,
)
from honest import Honest
from loaded_server import MIB, LoadError, Server, wait_until
from ncscope.v1 import service_pb2

CAPS = ("--max-connections-per-peer", "4096")
ANNOUNCED = 63 * MIB  # the largest message is one of 64 MiB


def request(**member):
    return message(service_pb2.StreamRequest(**member).SerializeToString())


def opening(run):
    return request(open=worker.open_message(run, "train", 0, 1))


def one_batch(rows):
    """The first batch of a stream."""
    batch = worker.batch("train", 0, 0).batch
    return request(
        batch=service_pb2.Batch(
            rows=rows, labels=batch.labels[: 8 * rows], features=batch.features[: 96 * rows]
        )
    )


class Sender:
    """One call that sends a text as far as the server lets it."""

    def __init__(self, address, run, content, settings=(), piece=MIB):
        self.connection = Connection(address, settings, timeout=2.0)
        self.content, self.piece, self.sent = content, piece, 0
        self.answers, self.ended = 0, False
        self.connection.read(2.0)  # its settings
        self.connection.begin(1, "Stream")
        self.connection.data(1, opening(run))

    def step(self):
        """Sends a piece more, and reads what has come."""
        if self.ended or self.sent == len(self.content):
            return
        try:
            part = self.content[self.sent : self.sent + self.piece]
            self.sent += self.connection.data(1, part)
        except Gone:
            self.ended = True
            return
        self.read(0.0)

    def read(self, seconds):
        """Notes answers, and whether the server has ended the call."""
        try:
            frames = self.connection.read(seconds)
        except Gone:
            self.ended = True
            return
        for kind, flags, _, _ in frames:
            self.answers += kind == DATA
            self.ended |= kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM != 0)

    def is_answered(self, seconds):
        """Whether Open and the first batch are answered."""
        end = time.monotonic() + seconds
        while self.answers < 2 and not self.ended and time.monotonic() < end:
            self.read(0.1)
        return self.answers >= 2


def send_all(senders, seconds):
    """All of them step in turn, until each has sent everything or is ended, or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for sender in senders:
            sender.step()
        if all(sender.ended or sender.sent == len(sender.content) for sender in senders):
            break
    return sum(sender.sent for sender in senders), sum(sender.ended for sender in senders)


def close_all(senders):
    for sender in senders:
        sender.connection.close()


def slow_readers(folder, count, batches, seconds):
    """Callers that stream and take no answer: their windows are closed."""
    with Server(folder / "readers", *CAPS) as server, server.bounded() as used:
        honest = Honest(server.address)
        content = one_batch(1) * batches  # each is acknowledged, again and again
        closed = [(INITIAL_WINDOW_SIZE, 0)]
        readers = [Sender(server.address, f"r{n}", content, closed) for n in range(count)]
        sent, ended = send_all(readers, seconds)
        if ended or sent < count * len(content):
            raise LoadError(f"{ended} of {count} were ended, {sent} bytes taken")
        wait_until(
            lambda: server.gauge("ncscope_duplicate_batches_total") == count * (batches - 1),
            seconds,
            "all batches are handled",
        )
        honest.serve()
        close_all(readers)
        honest.serve()
        print(f"slow readers: {count}, {batches} batches each, {used() / MIB:.0f} MiB", flush=True)


def slow_writers(folder, count, seconds):
    """Callers that send a batch byte by byte."""
    with Server(folder / "writers", *CAPS) as server, server.bounded() as used:
        honest = Honest(server.address)
        content = one_batch(worker.ROWS)
        writers = [Sender(server.address, f"w{n}", content, piece=1) for n in range(count)]
        sent, _ = send_all(writers, seconds)
        honest.serve()
        for writer in writers:
            writer.piece = len(content)
            writer.step()
            if not writer.is_answered(10):
                raise LoadError(f"a slow writer was not answered: {writer.sent} bytes were sent")
        close_all(writers)
        print(
            f"slow writers: {count}, {sent // count} single bytes each, {used() / MIB:.0f} MiB",
            flush=True,
        )


def stalled_writers(folder, count, seconds):
    """Callers that announce large messages, send a part of them and no more."""
    if count * ANNOUNCED // 4 < 800 * MIB:
        raise LoadError(f"{count} callers are too few to show a bound")
    with Server(folder / "stalled", *CAPS) as server, server.bounded() as used:
        honest = Honest(server.address)
        content = message(b"", announced=ANNOUNCED) + bytes(ANNOUNCED // 4)
        writers = [Sender(server.address, f"s{n}", content) for n in range(count)]
        sent, ended = send_all(writers, seconds)
        took = honest.serve_within(10)
        close_all(writers)
        honest.serve()
        print(
            f"stalled writers: {count}, {ended} ended, {sent / MIB:.0f} MiB sent,"
            f" {used() / MIB:.0f} MiB; a client served in {took:.1f} s meanwhile",
            flush=True,
        )
