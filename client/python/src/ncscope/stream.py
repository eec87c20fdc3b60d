"""Streams the samples of one rank of a series: batches and classifier, then close."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from .arrays import DTYPES, Features, as_bytes, dtype_name, labels_of
from .cancellation import Cancellation
from .connection import Connection, StreamOptions
from .errors import FailedPrecondition, InvalidArgument
from .report import Report
from .v1 import service_pb2
from .wire import frame_batch, frame_classifier

# What arrays are cut to. Each message wakes four or five threads that share one interpreter: few
# large ones travel best.
BATCH_BYTES = 8 << 20
# A message holds a little more than its arrays.
MESSAGE_OVERHEAD_BYTES = 128


class Stream:
    """A stream of samples, made by `Client.stream`; used by one thread at a time.

    Batches travel in the background: a refusal is raised by the next `add`, by `flush` or by
    `close`. What came before a refused batch stays; a new stream with `resume=True` goes on there.
    If the server goes away the stream reconnects, and sends again what was not acknowledged. It
    raises Unavailable for a server that stays away, NoProgress for one that is lost over and over.
    Streaming the same batches once more does no harm: the server knows them by number and content.
    """

    def __init__(
        self,
        calls: dict[str, Any],
        open_message: service_pb2.Open,
        dtype: str | None,
        resume: bool,
        options: StreamOptions,
        client_closed: threading.Event,
    ) -> None:
        """Takes an Open that may lack `dim` (0) and, with `dtype` None, the element type."""
        self._calls = calls
        self._open = open_message
        self._convert_to = None if dtype is None else dtype_name(dtype)
        self._dtype = self._convert_to  # fixed by the first samples
        self._resume = resume
        self._options = options
        self._cancellation = Cancellation(client_closed)
        self._connection: Connection | None = None  # opened by the first samples
        self._classifier: list[bytes] = []
        self._closed = False
        self._report: Report | None = None

    @property
    def batches(self) -> int:
        """Batches that this rank has sent, with those of earlier streams that it resumed."""
        return self._connection.backlog.end if self._connection is not None else 0

    @property
    def acknowledged(self) -> int:
        """Batches that the server has applied."""
        return self._connection.received if self._connection is not None else 0

    @property
    def report(self) -> Report | None:
        """The report, once closed; None before, and where `close` returned None."""
        return self._report

    def add(
        self, features: Any, labels: Any, predictions: Any = None, sample_ids: Any = None
    ) -> None:
        """Sends samples; returns when they are queued, and the arrays may change.

        `features` [n, d] of the stream's element type (or any, if the stream was given `dtype`),
        `labels` [n] integers in [0, K), `predictions` [n] the classifier's decisions for streams
        without W. `sample_ids` [n] integers: samples whose id came before in this epoch, on any
        rank, are left out. Large arrays are cut. Raises InvalidArgument for shapes and types, and
        what the server said about an earlier batch.
        """
        self._check_usable()
        matrix = Features(features, self._convert_to)
        names = {"labels": labels, "predictions": predictions, "sample_ids": sample_ids}
        columns = {
            name: labels_of(values, matrix.rows, name)
            for name, values in names.items()
            if values is not None or name == "labels"
        }
        connection = self._begin(matrix.dim, matrix.dtype)
        step = max(1, self._batch_bytes() // (matrix.row_bytes + 8 * len(columns)))
        for begin in range(0, matrix.rows, step):
            end = min(matrix.rows, begin + step)
            data = frame_batch(
                connection.backlog.end,
                end - begin,
                features=matrix.read(begin, end),
                crc=self._options.crc,
                **{name: as_bytes(column[begin:end]) for name, column in columns.items()},
            )
            connection.send_batch(data)

    def classifier(self, weight: Any, bias: Any = None) -> None:
        """Sends the classifier that decided on these samples: `weight` [K, d], `bias` [K].

        Any time before `close`; a later one replaces an earlier one, unless another rank has sent
        that one too: ranks must agree.
        """
        self._check_usable()
        self._classifier = list(
            frame_classifier(weight, bias, self._open.num_classes, self._open.dim)
        )
        if self._connection is not None:
            self._connection.send_classifier(self._classifier)

    def flush(self) -> None:
        """Waits until the server has applied every batch so far; raises its refusal."""
        self._check_usable()
        if self._connection is not None:
            self._connection.flush()

    def close(self, partial: bool = False, timeout: float | None = None) -> Report | None:
        """Ends the rank; returns the report if it was the last rank to close, else None.

        None also where the report of another split waits for that of "train", which is still being
        streamed: `Client.report` with `wait` returns it when it is there.

        `partial` marks the report: samples are known to be missing. `timeout` in seconds bounds
        the wait for the server's metrics; None waits as long as the server lives.
        """
        if self._closed:
            return self._report
        self._check_usable()
        if self._connection is None and not (self._open.dim and self._dtype):
            raise InvalidArgument("no samples were added: an empty rank needs dim= and dtype=")
        connection = self._begin(self._open.dim, self._dtype or "")
        report = connection.close(partial, timeout)
        self._report = None if report is None else Report.from_message(report)
        self._closed = True
        return self._report

    def cancel(self) -> None:
        """Leaves without closing the rank; the server keeps the batches it has acknowledged.

        Another thread may call it: whatever waits in the stream raises Cancelled.
        """
        self._cancellation.cancel()
        self._closed = True

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.cancel()
        else:
            self.close()

    def _check_usable(self) -> None:
        if self._connection is not None:
            self._connection.check()
        if self._closed:
            raise FailedPrecondition("the stream is closed")

    def _begin(self, dim: int, dtype: str) -> Connection:
        """Fixes shape and type with the first samples, checks later ones; opens."""
        if self._open.dim and dim != self._open.dim:
            raise InvalidArgument(f"expected features of dimension {self._open.dim}; got {dim}")
        if self._dtype is not None and dtype != self._dtype:
            raise InvalidArgument(
                f"expected features of {self._dtype}; got {dtype} (give dtype= to convert)"
            )
        if self._connection is None:
            self._open.dim = dim
            self._open.data_type = DTYPES[dtype][0]
            self._connection = Connection(
                self._calls,
                self._open,
                None if self._resume else 0,
                self._options,
                self._cancellation,
            )
            self._dtype = dtype
            if self._classifier:
                self._connection.send_classifier(self._classifier)
        return self._connection

    def _batch_bytes(self) -> int:
        """Bytes of arrays per message."""
        limit = self._connection.max_message_bytes if self._connection is not None else 0
        return min(BATCH_BYTES, limit - MESSAGE_OVERHEAD_BYTES) if limit else BATCH_BYTES
