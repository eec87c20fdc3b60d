"""One pass over one split."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FailedPrecondition, InvalidArgument
from .collector import Collector
from .future import ReportFuture
from .head import classifier_of
from .values import copied

if TYPE_CHECKING:
    from .monitor import Monitor


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
        self._guard = _Guard(self)
        self._inside = False  # a call is under way
        self._interrupted = False

    @property
    def works(self) -> bool:
        """Whether anything is measured."""
        return self._collector is not None

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
            with self._guard:
                self._add(features, labels, predictions, sample_ids)

    def labels(self, labels: Any, sample_ids: Any = None) -> None:
        """Gives the labels of the batch that the model was run on, or is run on next."""
        if not self._usable():
            return
        with self._guard:
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
            with self._guard:
                self._classifier = (copied(weight), copied(bias))

    def end(self, partial: bool = False) -> ReportFuture:
        """Ends the epoch; returns the future of its report. Does not wait.

        `partial` marks the report: samples are known to be missing.
        """
        if not self._usable():
            return self.future
        with self._guard:
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
        with self._guard:
            if self._classifier is None and self._head is not None:
                self._note_whole_classifier()
            if self._labels is not None:
                (labels, sample_ids), self._labels = self._labels, None
                self._add(features, labels, None, sample_ids)
                return
            if self._features is not None:
                raise FailedPrecondition(
                    f"the head {self._monitor.head_name!r} was called twice without labels between"
                )
            # A copy: forward() may change them before their labels come.
            self._features = features.detach().clone()

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
        if self._inside:  # of a signal handler, or another thread: samples of both would be mixed
            self._interrupted = True
            return False
        return self._collector is not None and not self._ended

    def _fail(self, error: BaseException) -> None:
        self._leave()
        assert self._collector is not None
        self._collector.drop(error if isinstance(error, Exception) else _interrupted_by("it"))

    def _leave(self) -> None:
        self._ended = True
        self._features = self._labels = None
        self._monitor.leave(self)

    def _add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        assert self._collector is not None
        if (
            predictions is None
            and sample_ids is None
            and self._collector.add_alike(features, labels, self._monitor.next_token)
        ):
            return
        features = _array(features)
        columns = {"labels": labels, "predictions": predictions, "sample_ids": sample_ids}
        shape = tuple(int(count) for count in features.shape[:-1])
        if self._monitor.next_token:
            if len(shape) != 2:
                raise InvalidArgument(
                    f"expected features of shape [B, T, d]; got {list(features.shape)}"
                )
            features = features[:, :-1]
        elif len(shape) == 0:
            raise InvalidArgument(f"expected features of shape [n, d]; got {list(features.shape)}")
        rows = 1
        for count in features.shape[:-1]:
            rows *= int(count)
        if rows == 0:
            return
        for name, values in columns.items():
            if values is not None:
                columns[name] = self._column(name, _array(values), shape, rows)
        self._collector.add(features.reshape(rows, features.shape[-1]), *columns.values())

    def _column(self, name: str, values: Any, shape: tuple[int, ...], rows: int) -> Any:
        """Returns one value for each row, [rows]; raises InvalidArgument for another shape."""
        given = tuple(int(count) for count in values.shape)
        if self._monitor.next_token:
            if given != shape:
                raise InvalidArgument(f"expected {name} of shape {list(shape)}; got {list(given)}")
            values = values[:, 1:]
        elif given != shape and given not in ((rows,), (rows, 1)):
            raise InvalidArgument(
                f"expected {rows} {name}, one for each feature; got shape {list(given)}"
            )
        return values.reshape(rows)

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


class _Guard:
    """Around what a call does: errors end the epoch rather than the training.

    Not a generator: of what a call costs after a training step, that was a good part.
    """

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch

    def __enter__(self) -> None:
        self._epoch._inside = True

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        epoch = self._epoch
        epoch._inside = False
        if error is not None:
            passes = not isinstance(error, Exception)  # an interrupt
            epoch._fail(_interrupted_by(type(error).__name__) if passes else error)
            return not (passes or epoch._monitor.strict)
        if epoch._interrupted and not epoch._ended:
            epoch._fail(_interrupted_by("another use of it"))
        return False


def _array(values: Any) -> Any:
    """Returns what has a shape: tensors and arrays as they are, all else as numpy reads it."""
    return values if hasattr(values, "shape") and hasattr(values, "reshape") else np.asarray(values)


def _interrupted_by(what: str) -> FailedPrecondition:
    return FailedPrecondition(f"the epoch was interrupted by {what} within one of its calls")
