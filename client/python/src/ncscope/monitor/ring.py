"""Memory that the trainer fills and the helper process reads."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import deque
from dataclasses import dataclass


def create_shared(size: int) -> int:
    """Returns a descriptor of `size` bytes of memory that a child process may map.

    Not /dev/shm: containers limit that to 64 MiB, and writing beyond it ends the process.
    """
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("ncscope", os.MFD_CLOEXEC)
        os.ftruncate(fd, size)
        return fd
    with tempfile.TemporaryFile() as file:  # a name is not needed: the child inherits it
        fd = os.dup(file.fileno())
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)  # a full disk is said here rather than by a signal later
    else:
        os.ftruncate(fd, size)
    return fd


def map_shared(fd: int, size: int) -> mmap.mmap:
    """Maps what `create_shared` made."""
    return mmap.mmap(fd, size)


# Entries begin at multiples of this many bytes.
ALIGNMENT = 64


@dataclass
class _Run:
    """Consecutive bytes that were given out together."""

    entry: int
    begin: int  # counted on through all laps
    free: bool = False


class RingSpace:
    """Which bytes of a ring are in use: given out in order, and used again in order.

    Counts only; whoever uses it holds a lock.
    """

    def __init__(self, size: int) -> None:
        """Starts with `size` free bytes."""
        self.size = size
        self._runs: deque[_Run] = deque()
        self._by_entry: dict[int, _Run] = {}
        self._head = 0
        self._next_entry = 0

    @property
    def used(self) -> int:
        """Bytes that cannot be given out."""
        return self._head - self._runs[0].begin if self._runs else 0

    def reserve(self, count: int) -> tuple[int, int] | None:
        """Returns the number of a new entry and the offset of its `count` bytes; None if full."""
        if not self._runs:
            self._head = 0  # memory that was used before is memory that is there
        count = -(-count // ALIGNMENT) * ALIGNMENT
        run = _Run(self._next_entry, self._head)
        begin = self._head
        if begin % self.size + count > self.size:  # bytes of an entry lie side by side
            begin += self.size - begin % self.size
        tail = self._runs[0].begin if self._runs else begin
        if count > self.size or begin + count - tail > self.size:
            return None
        self._next_entry += 1
        self._runs.append(run)
        self._by_entry[run.entry] = run
        self._head = begin + count
        return run.entry, begin % self.size

    def entries(self) -> list[int]:
        """Entries that are not free."""
        return list(self._by_entry)

    def age(self, entry: int) -> int:
        """Bytes that were given out since."""
        return self._head - self._by_entry[entry].begin

    def free(self, entry: int) -> None:
        """Takes an entry back; its bytes are given out again after those of older ones."""
        self._by_entry.pop(entry).free = True
        while self._runs and self._runs[0].free:
            self._runs.popleft()
