"""Samples that go to the server, which sums them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ..arrays import DTYPES, Features, labels_of
from ..errors import FailedPrecondition, InvalidArgument
from ..v1 import service_pb2
from ..wire import frame_classifier
from .copies import Copies
from .future import ReportFuture
from .sender import Outgoing, Sender
from .values import bytes_of, copied

# The types whose values each one holds.
_HELD_BY = {
    "float16": ("float16",),
    "bfloat16": ("bfloat16",),
    "float32": ("float16", "bfloat16", "float32"),
    "float64": ("float16", "bfloat16", "float32", "float64"),
}


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
        usual_type: str,
    ) -> None:
        """Takes an Open without dimension and element type: those of the first samples are."""
        self._sender = sender
        self._copies = copies
        self._open = opened
        self._future = future
        self._may_supersede = may_supersede
        self._dim = dim
        self._patience = patience
        self._usual_type = usual_type
        self._series: Outgoing | None = None
        self.dtype: str | None = None
        self._dropped = 0  # rows whose copy had to wait too long
        self._alike: tuple[Any, ...] | None = None  # types of tensors that need no conversion
        self._failed = False  # in the thread of the copies

    def add_alike(self, features: Any, labels: Any, next_token: bool) -> bool:
        """Copies torch tensors on the host that are as those before; False where `add` must.

        A training step leaves the processor's caches to others, and then it is the number of Python
        functions and operations of torch or numpy that takes time: so this has few of them.
        """
        if self._alike is None or self._alike != (type(features), features.dtype, labels.dtype):
            return False
        if features.device.type != "cpu" or labels.device.type != "cpu":
            return False
        rows, targets = features.detach().numpy(), labels.numpy()
        if next_token:
            if rows.ndim != 3:
                return False
            rows, targets = rows[:, :-1], targets[..., 1:]
        if rows.ndim < 2 or rows.shape[:-1] != targets.shape:
            return False
        assert self._series is not None
        return self._sender.append_alike(self._series, rows, targets)

    def add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        """Copies samples out of the trainer's hands."""
        columns = [features, labels, predictions, sample_ids]
        on_gpu = [n for n, each in enumerate(columns) if getattr(each, "is_cuda", False)]
        if not on_gpu:
            self._append(*columns)
            self._alike = _types_to_copy(features, labels, self.dtype)
            return
        columns = [each if n in on_gpu else copied(each) for n, each in enumerate(columns)]

        def use(copies: list[Any]) -> None:
            for n, each in zip(on_gpu, copies, strict=True):
                columns[n] = each
            try:
                self._append(*columns)
            except Exception as error:
                self._failed = True
                self._drop(error)

        if not self._copies.submit([columns[n] for n in on_gpu], use):
            self._dropped += int(features.shape[0])

    def end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        """Ends the series after the samples that are still being copied."""
        self._copies.after(lambda: self._end_or_fail(classifier, partial))

    def drop(self, error: Exception) -> None:
        """Forgets the samples."""
        self._copies.after(lambda: self._drop(error))

    def _append(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        if self._failed:
            return
        matrix = Features(features, self._type_of(features))
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

    def _type_of(self, features: Any) -> str | None:
        """Returns the type to convert to: that of the first samples, if it holds these exactly."""
        wire_type = _wire_type(features)
        if self.dtype is None:
            return wire_type
        given = wire_type or str(features.dtype).removeprefix("torch.")
        if given not in _HELD_BY[self.dtype]:
            raise InvalidArgument(f"expected features of {self.dtype}, as before; got {given}")
        return self.dtype

    def _begin(self, dim: int, dtype: str) -> Outgoing:
        if self._series is None:
            self.dtype = dtype
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

    def _end_or_fail(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        if self._failed:
            return
        try:
            self._end(classifier, partial)
        except Exception as error:
            self._drop(error)

    def _end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        if self._series is None:
            if self._dim is None:
                error = FailedPrecondition("no samples were observed")
                self._sender.settle(self._future, error)
                return
            self._begin(self._dim, self._usual_type)  # this rank has none; others may
        series, dim, classes = self._series, self._open.dim, self._open.num_classes
        assert series is not None
        if self._dropped:
            self._sender.drop(series, self._dropped)

        def parts() -> Iterable[bytes]:
            assert classifier is not None
            return frame_classifier(*classifier, classes, dim)

        if classifier is None:
            self._sender.end(series, partial=partial)
        else:
            self._sender.end(series, parts, partial, bytes_of(*classifier))

    def _drop(self, error: Exception) -> None:
        if self._series is None:
            self._sender.settle(self._future, error)
        else:
            self._sender.abandon(self._series, error)


def _types_to_copy(features: Any, labels: Any, dtype: str | None) -> tuple[Any, ...] | None:
    torch = sys.modules.get("torch")
    if torch is None or type(features) is not torch.Tensor or type(labels) is not torch.Tensor:
        return None
    if sys.byteorder != "little" or str(features.dtype) != f"torch.{dtype}" or dtype == "bfloat16":
        return None
    return (torch.Tensor, features.dtype, labels.dtype) if labels.dtype == torch.int64 else None


def _wire_type(features: Any) -> str | None:
    """Returns the type to convert to: None for those that travel as they are, else float32."""
    name = str(getattr(features, "dtype", "float64")).removeprefix("torch.")
    if name in DTYPES:
        return None
    if not name.startswith(("int", "uint", "float")):
        raise InvalidArgument(f"expected features that are numbers; got {name}")
    return "float32"
