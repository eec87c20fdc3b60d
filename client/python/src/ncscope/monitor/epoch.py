"""One pass over one split."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from ..arrays import DTYPES, Features, labels_of
from ..errors import FailedPrecondition, InvalidArgument
from ..v1 import service_pb2
from ..wire import frame_classifier
from .copies import Copies
from .future import ReportFuture
from .head import classifier_of
from .sender import Outgoing, Sender

if TYPE_CHECKING:
    from .monitor import Monitor


class Collector(Protocol):
    """What becomes of the samples of an epoch."""

    def add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        """Takes samples: features [n, d], the others [n] or None."""

    def end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        """Ends the epoch, decided by a classifier of weight [K, d] and bias [K]."""

    def drop(self, error: Exception) -> None:
        """Forgets the samples."""


class Streamed:
    """Every sample goes to the server."""

    def __init__(
        self,
        sender: Sender,
        copies: Copies,
        opened: service_pb2.Open,
        future: ReportFuture,
        may_supersede: bool,
        dim: int | None,
        patience: float | None,
    ) -> None:
        """Takes an Open without dimension and element type: those of the first samples are."""
        self._sender = sender
        self._copies = copies
        self._open = opened
        self._future = future
        self._may_supersede = may_supersede
        self._dim = dim
        self._patience = patience
        self._series: Outgoing | None = None
        self._dtype: str | None = None
        self._dropped = 0  # rows whose copy had to wait too long

    def add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        """Copies samples out of the trainer's hands."""
        columns = [features, labels, predictions, sample_ids]
        on_gpu = [n for n, each in enumerate(columns) if getattr(each, "is_cuda", False)]
        if not on_gpu:
            self._append(*columns)
            return

        def use(copies: list[Any]) -> None:
            for n, each in zip(on_gpu, copies, strict=True):
                columns[n] = each
            self._append(*columns)

        if not self._copies.submit([columns[n] for n in on_gpu], use):
            self._dropped += int(features.shape[0])

    def end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        """Ends the series after the samples that are still being copied."""
        self._copies.after(lambda: self._end(classifier, partial))

    def drop(self, error: Exception) -> None:
        """Forgets the samples."""
        self._copies.after(lambda: self._drop(error))

    def _append(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        wire_type = _wire_type(features)
        matrix = Features(features, self._dtype or wire_type)
        rows = matrix.rows
        series = self._begin(matrix.dim, matrix.dtype)
        self._sender.append(
            series,
            matrix,
            labels_of(labels, rows),
            None if predictions is None else labels_of(predictions, rows, "predictions"),
            None if sample_ids is None else labels_of(sample_ids, rows, "sample_ids"),
            self._patience,
        )

    def _begin(self, dim: int, dtype: str) -> Outgoing:
        if self._series is None:
            self._dtype = dtype
            self._open.dim = dim
            self._open.data_type = DTYPES[dtype][0]
            self._series = self._sender.begin(
                self._open,
                self._future,
                may_supersede=self._may_supersede,
                wants_report=self._open.rank == 0,  # many ranks would wait for the same
            )
        if dim != self._open.dim:
            raise InvalidArgument(f"expected features of dimension {self._open.dim}; got {dim}")
        return self._series

    def _end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        if self._series is None:
            if self._dim is None:
                error = FailedPrecondition("no samples were observed")
                self._sender.settle(self._future, error)
                return
            self._begin(self._dim, "float32")  # this rank has none; others may
        series, dim, classes = self._series, self._open.dim, self._open.num_classes
        assert series is not None
        if self._dropped:
            self._sender.drop(series, self._dropped)

        def parts() -> Iterable[bytes]:
            assert classifier is not None
            return frame_classifier(*classifier, classes, dim)

        self._sender.end(series, None if classifier is None else parts, partial)

    def _drop(self, error: Exception) -> None:
        if self._series is None:
            self._sender.settle(self._future, error)
        else:
            self._sender.abandon(self._series, error)


class Epoch:
    """Measures one pass over one split; made by `Monitor.epoch`, used by one thread at a time."""

    def __init__(
        self, monitor: Monitor, future: ReportFuture, collector: Collector | None, head: Any
    ) -> None:
        """`collector` None does nothing; `head` is the classifier's module, if there is one."""
        self.future = future
        self._monitor = monitor
        self._collector = collector
        self._head = head
        self._features: Any = None  # of the head's last call, which wait for their labels
        self._labels: tuple[Any, Any] | None = None  # which wait for their features
        self._classifier: tuple[Any, Any] | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether nothing more is measured."""
        return self._ended

    def observe(
        self, features: Any, labels: Any, predictions: Any = None, sample_ids: Any = None
    ) -> None:
        """Adds samples; returns when the arrays may change.

        `features` [n, d] or [..., d], numpy, torch or anything that numpy reads; `labels` [n] or
        [...], integers; `predictions` the classifier's decisions, where no classifier is given.
        `sample_ids`: integers by which samples that came before in this epoch, on any rank, are
        left out, such as those that a DistributedSampler repeats.
        """
        if self._usable():
            with self._guarded():
                self._add(features, labels, predictions, sample_ids)

    def labels(self, labels: Any, sample_ids: Any = None) -> None:
        """Gives the labels of the batch that the model was run on, or is run on next."""
        if not self._usable():
            return
        with self._guarded():
            if self._head is None:
                raise FailedPrecondition("labels() needs a monitor with a model; see observe()")
            if self._features is not None:
                features, self._features = self._features, None
                self._add(features, labels, None, sample_ids)
                return
            self._require_features()
            self._labels = (labels, sample_ids)

    def classifier(self, weight: Any, bias: Any = None) -> None:
        """Gives the classifier, weight [K, d] and bias [K], where the monitor has no model."""
        if self._usable():
            self._classifier = (weight, bias)

    def end(self, partial: bool = False) -> ReportFuture:
        """Ends the epoch; returns the future of its report. Does not wait.

        `partial` marks the report: samples are known to be missing.
        """
        if not self._usable():
            return self.future
        with self._guarded():
            self._require_features()
            if self._features is not None:
                raise FailedPrecondition("the last batch has no labels: see Epoch.labels")
            self._leave()
            collector = self._collector
            assert collector is not None
            collector.end(self._classifier or self._classifier_of_head(), partial)
        return self.future

    def abandon(self, why: str) -> None:
        """Leaves without a report."""
        if self._usable():
            self._fail(FailedPrecondition(why))

    def saw(self, features: Any) -> None:
        """Takes the input of the head, from its hook."""
        if not self._usable():
            return
        with self._guarded():
            if self._classifier is None and self._head is not None:
                self._note_whole_classifier()
            features = features.detach()
            if self._labels is not None:
                (labels, sample_ids), self._labels = self._labels, None
                self._add(features, labels, None, sample_ids)
                return
            if self._features is not None:
                raise FailedPrecondition(
                    f"the head {self._monitor.head_name!r} was called twice without labels between"
                )
            self._features = features.clone()  # forward() may change them before labels come

    def __enter__(self) -> Epoch:
        self._monitor.enter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon(f"the epoch was left by {kind.__name__}")
        else:
            self.end()

    def _usable(self) -> bool:
        return self._collector is not None and not self._ended

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._fail(error)
            if self._monitor.strict:
                raise

    def _fail(self, error: Exception) -> None:
        self._leave()
        assert self._collector is not None
        self._collector.drop(error)

    def _leave(self) -> None:
        self._ended = True
        self._features = self._labels = None
        self._monitor.leave(self)

    def _add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        assert self._collector is not None
        columns = [labels, predictions, sample_ids]
        if self._monitor.next_token:
            features = features[..., :-1, :]
            columns[0] = labels[..., 1:]
        rows, dim = _leading(features), features.shape[-1]
        if rows == 0:
            return
        features = features.reshape(rows, dim)
        for n, each in enumerate(columns):
            if each is None:
                continue
            size = _size(each)
            if size != rows:
                what = ("labels", "predictions", "sample_ids")[n]
                raise InvalidArgument(f"expected {rows} {what}, one for each feature; got {size}")
            columns[n] = each.reshape(rows) if hasattr(each, "reshape") else each
        self._collector.add(features, *columns)

    def _require_features(self) -> None:
        """Raises for labels that are still without features."""
        if self._labels is not None:
            raise FailedPrecondition(
                f"the head {self._monitor.head_name!r} was not called for the labels that were "
                "given: make the monitor before torch.compile, and have forward() call the module"
            )

    def _classifier_of_head(self) -> tuple[Any, Any] | None:
        return None if self._head is None else classifier_of(self._head)

    def _note_whole_classifier(self) -> None:
        """FSDP has the whole classifier on every rank only while it is called."""
        if self._monitor.head_is_sharded:
            self._classifier = classifier_of(self._head)


def _wire_type(features: Any) -> str | None:
    """Returns the type to convert to: None for those that travel as they are, else float32."""
    name = str(getattr(features, "dtype", "float64")).removeprefix("torch.")
    if name in DTYPES:
        return None
    if not name.startswith(("int", "uint", "float")):
        raise InvalidArgument(f"expected features that are numbers; got {name}")
    return "float32"


def _leading(features: Any) -> int:
    out = 1
    for count in features.shape[:-1]:
        out *= int(count)
    return out


def _size(values: Any) -> int:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        return int(values.numel())
    return len(values) if not hasattr(values, "size") else int(values.size)
