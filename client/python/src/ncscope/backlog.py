"""Batches that were sent and could still be asked for again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator


class Backlog:
    """Consecutive batches, oldest first, with the bytes that they take."""

    def __init__(self, first: int = 0) -> None:
        """Starts empty; the next batch gets the sequence number `first`."""
        self.first = first  # sequence number of the oldest batch
        self._batches: deque[bytes] = deque()
        self._begins: deque[int] = deque()  # bytes ever appended before each batch
        self._appended = 0

    @property
    def end(self) -> int:
        """Sequence number that the next batch gets."""
        return self.first + len(self._batches)

    def append(self, batch: bytes) -> None:
        """Adds the next batch."""
        self._batches.append(batch)
        self._begins.append(self._appended)
        self._appended += len(batch)

    def bytes_from(self, sequence: int) -> int:
        """Bytes of the batches from `sequence` on."""
        index = max(0, sequence - self.first)
        return self._appended - self._begins[index] if index < len(self._begins) else 0

    def batches_from(self, sequence: int) -> Iterator[bytes]:
        """The batches from `sequence` on."""
        for index in range(max(0, sequence - self.first), len(self._batches)):
            yield self._batches[index]

    def let_go(self, durable: int, received: int, keep_bytes: int | None) -> None:
        """Drops batches before `durable`, and before `received` down to `keep_bytes`.

        None keeps all that is not durable.
        """
        while self._batches and (
            self.first < durable
            or (
                keep_bytes is not None
                and self.first < received
                and self.bytes_from(self.first) > keep_bytes
            )
        ):
            self._batches.popleft()
            self._begins.popleft()
            self.first += 1
