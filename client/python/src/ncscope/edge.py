"""The state of an epoch, summed where the features are: on the trainer's own torch device.

In place of the samples, O(N d), the state crosses the network, O(K d + d^2), once an epoch::

    edge = EdgeStatistics(num_classes, dim, device, centers=centers)
    for x, labels in loader:
        edge.add(penultimate_layer(model, x), labels, model.fc.weight, model.fc.bias)
    state, decisions = edge.finish(model.fc.weight, model.fc.bias)
    report = client.put_statistics("my-run", epoch, state)
    centers = edge.next_centers(epoch)

Needs torch 1.13 or later; nothing else of the package does.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .edge_decisions import AffineScores, Centers, DecisionCounter, classifier_scores
from .edge_sums import CentredSums, ShiftedSums
from .edge_torch import plain_arithmetic
from .errors import InvalidArgument
from .statistics import Array, Decisions, Statistics
from .v1 import statistics_pb2, types_pb2

__all__ = ["Centers", "EdgeStatistics"]

LAYOUT_VERSION = 1
DEFINITIONS_VERSION = "1"

# Type -> (wire type, magnitude from which on a value is not taken: METRICS of the server).
_TYPES: dict[torch.dtype, tuple[types_pb2.DataType, float]] = {
    torch.float32: (types_pb2.DATA_TYPE_FLOAT32, 2.0**126),
    torch.float16: (types_pb2.DATA_TYPE_FLOAT16, float("inf")),
    torch.bfloat16: (types_pb2.DATA_TYPE_BFLOAT16, 2.0**126),
    torch.float64: (types_pb2.DATA_TYPE_FLOAT64, 2.0**220),
}
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_NO_ROW = 2**63 - 1


class EdgeStatistics:
    """Collects the samples of one rank and epoch into the state that the server would have.

    Device memory in bytes, w = 4 (8 for float64 features) and e that of a feature's element:
    K d (8 + w) + 8 d^2 + 2048 d e for the state; while samples are added 2048 d (40 + 2 w) + 20 d^2
    more, whatever their number, and while it is finished 8 (P d + d^2). With `centers`
    K d (8 + w), w K d for a W that is not of float32 (float64 for float64 features), and 32 MiB
    (64 MiB) of scores.

    `add` never waits for a CUDA device: what is wrong with a value is said by `finish`.
    """

    def __init__(
        self,
        num_classes: int,
        dim: int,
        device: torch.device | str,
        *,
        ignore_index: int = -100,
        nonfinite: Literal["skip", "refuse"] = "skip",
        centers: Centers | None = None,
    ) -> None:
        """Takes declared classes K and the dimension d of the features, which are on `device`.

        Rows labelled `ignore_index` are dropped and counted. `nonfinite`: rows with a NaN, an
        infinity or a value of 2^126 or more (2^220 for float64) are dropped and counted, or
        `finish` raises. `centers`: class means of an earlier epoch, for NC4. Raises InvalidArgument
        for K or d below 1, centres of another shape or device, and devices without float64.
        """
        for name, size in (("num_classes", num_classes), ("dim", dim)):
            if isinstance(size, bool) or not 1 <= size < 1 << 31:
                raise InvalidArgument(f"expected {name} in [1, 2^31); got {size!r}")
        if nonfinite not in ("skip", "refuse"):
            raise InvalidArgument(f"expected nonfinite of skip, refuse; got {nonfinite!r}")
        self._num_classes = num_classes
        self._dim = dim
        self._ignore_index = ignore_index
        self._refuse = nonfinite == "refuse"
        self._device = torch.empty(0, device=device).device  # "cuda" gets its index
        self._sums: ShiftedSums | None = None
        self._counter: DecisionCounter | None = None
        self._rows_seen = 0
        with plain_arithmetic(self._device):
            try:
                self._ignored = torch.zeros((), dtype=torch.int64, device=self._device)
                torch.zeros((), dtype=torch.float64, device=self._device)
            except (RuntimeError, TypeError) as error:
                raise InvalidArgument(
                    f"expected a device that has float64; {self._device} says: {error}"
                ) from error
            self._nonfinite = _Refused(self._device)
            self._bad_labels = _Refused(self._device)
            self._bad_predictions = _Refused(self._device)
            if centers is not None:
                self._counter = DecisionCounter(centers, num_classes, dim, self._device)

    def add(
        self,
        features: Tensor,
        labels: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        predictions: Tensor | None = None,
    ) -> None:
        """Adds samples; tensors may be changed afterwards, on the same CUDA stream.

        `features` [n, d] of float32, float16, bfloat16 or float64, the same in all calls; `labels`
        [n] of an integer type, in [0, K) or ignore_index. With centres also what the classifier
        decides: `weight` W [K, d] and `bias` b [K], for argmax(W h + b), or, without W,
        `predictions` [n] of an integer type; without centres these are left alone. All on the
        device. Raises InvalidArgument for other shapes, types and devices.
        """
        self._check(features, labels)
        with plain_arithmetic(self._device):
            decided = self._decided(features, weight, bias, predictions)
            if self._sums is None:
                self._sums = ShiftedSums(self._num_classes, self._dim, features.dtype, self._device)
            count, begin = len(features), 0
            while begin < count:
                end = min(count, begin + self._sums.room)
                rows = features[begin:end].detach()
                classes = self._admit(rows, labels[begin:end].to(torch.int64))
                if self._counter is not None and decided is not None:
                    part = decided
                    if isinstance(decided, Tensor):
                        part = self._admit_predictions(decided[begin:end].to(torch.int64), classes)
                    self._counter.add(rows, classes, part)
                self._sums.add(rows, classes)
                self._rows_seen += end - begin
                begin = end

    def finish(self, weight: Any = None, bias: Any = None) -> tuple[Statistics, Decisions | None]:
        """Returns the state of all that was added, and with centres how it was decided.

        `weight` W [K, d] and `bias` b [K], tensors or arrays: the classifier of the state, for
        NC3 and NC2. Waits for the device; more may be added afterwards, and finished again. Raises
        InvalidArgument if a label or prediction was out of range, or, on request, a feature not
        finite: naming the first, and for a classifier of another shape.
        """
        matrix = self._classifier("weight", weight, (self._num_classes, self._dim))
        offsets = self._classifier("bias", bias, (self._num_classes,))
        if matrix is None and offsets is not None:
            raise InvalidArgument("expected a weight with the bias; got none")
        self._raise_refused()
        with plain_arithmetic(self._device):
            sums = self._flushed()
            centred = sums.centred()
            counts = None if self._counter is None else self._counter.counts(centred.classes)
        state = self._statistics(sums.dtype, centred, matrix, offsets)
        if self._counter is None or counts is None:
            return state, None
        agreements, nearest, classifier = counts.cpu().numpy().astype(np.uint64)
        return state, Decisions(self._counter.epoch, agreements, nearest, classifier)

    def next_centers(self, epoch: int) -> Centers:
        """Returns the class means of all that was added, as centres "of epoch `epoch`".

        Where several ranks share an epoch, the means are those of the merged state, which
        `Centers.from_statistics` takes from `client.statistics`.
        """
        with plain_arithmetic(self._device):
            sums = self._flushed()
            return Centers(epoch, sums.means(), sums.counts[: self._num_classes] > 0)

    def _check(self, features: Tensor, labels: Tensor) -> None:
        if features.dtype not in _TYPES:
            raise InvalidArgument(
                "expected features of float32, float16, bfloat16, float64; "
                f"got {_name(features.dtype)}"
            )
        if features.dim() != 2 or features.shape[1] != self._dim:
            raise InvalidArgument(
                f"expected features of shape [n, {self._dim}]; got {list(features.shape)}"
            )
        self._check_device("features", features)
        if self._sums is not None and features.dtype != self._sums.dtype:
            raise InvalidArgument(
                f"expected features of {_name(self._sums.dtype)}, as before; "
                f"got {_name(features.dtype)}"
            )
        self._check_integers("labels", labels, len(features))

    def _check_integers(self, what: str, values: Tensor, rows: int) -> None:
        if tuple(values.shape) != (rows,):
            raise InvalidArgument(f"expected {what} of shape [{rows}]; got {list(values.shape)}")
        if values.dtype not in _INTEGERS:
            raise InvalidArgument(f"expected {what} of an integer type; got {_name(values.dtype)}")
        self._check_device(what, values)

    def _check_device(self, what: str, values: Tensor) -> None:
        if values.device != self._device:
            raise InvalidArgument(f"expected {what} on {self._device}; got them on {values.device}")

    def _decided(
        self,
        features: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        predictions: Tensor | None,
    ) -> AffineScores | Tensor | None:
        """Returns what the classifier decides by, or has decided; None if nobody asks."""
        if self._counter is None:
            return None
        if weight is None:
            if predictions is None:
                raise InvalidArgument("expected weight or predictions, as there are centers")
            self._check_integers("predictions", predictions, len(features))
            return predictions
        for what, values, shape in (
            ("weight", weight, (self._num_classes, self._dim)),
            ("bias", bias, (self._num_classes,)),
        ):
            if values is None:
                continue
            if tuple(values.shape) != shape or values.dtype not in _TYPES:
                raise InvalidArgument(
                    f"expected {what} of shape {list(shape)} and a floating type; "
                    f"got {list(values.shape)} {_name(values.dtype)}"
                )
            self._check_device(what, values)
        bias = None if bias is None else bias.detach()
        return classifier_scores(weight.detach(), bias, features.dtype)

    def _admit(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Returns labels, K for rows that do not count; counts those."""
        ignored = labels == self._ignore_index
        bad = ~ignored & ((labels < 0) | (labels >= self._num_classes))
        unusable = ~(rows.abs() < _TYPES[rows.dtype][1]).all(1) & ~ignored & ~bad
        self._ignored += ignored.sum()
        self._bad_labels.add(bad, labels, self._rows_seen)
        self._nonfinite.add(unusable, labels, self._rows_seen)
        return labels.masked_fill(ignored | bad | unusable, self._num_classes)

    def _admit_predictions(self, predictions: Tensor, classes: Tensor) -> Tensor:
        bad = (predictions < 0) | (predictions >= self._num_classes)
        bad &= classes < self._num_classes
        self._bad_predictions.add(bad, predictions, self._rows_seen)
        return predictions

    def _raise_refused(self) -> None:
        for what, refused in (
            ("label", self._bad_labels),
            ("prediction", self._bad_predictions),
        ):
            count, row, value = refused.read()
            if count > 0:
                expected = f"[0, {self._num_classes})"
                if what == "label":
                    expected += f" or ignore_index {self._ignore_index}"
                raise InvalidArgument(
                    f"{what}s: expected integers in {expected}; got {value} at row {row}"
                    + (f", and {count - 1} more rows that are out of range" if count > 1 else "")
                )
        count, row, label = self._nonfinite.read()
        if self._refuse and count > 0 and self._sums is not None:
            limit = _TYPES[self._sums.dtype][1]
            below = "" if limit == float("inf") else f" below 2^{int(np.log2(limit))} in magnitude"
            raise InvalidArgument(
                f"features: expected finite ones{below}; got others at row {row} (label {label})"
                + (f", and at {count - 1} more rows" if count > 1 else "")
            )

    def _flushed(self) -> ShiftedSums:
        if self._sums is None:  # of no type yet; merging keeps the coarser one, which this is not
            return ShiftedSums(self._num_classes, self._dim, torch.float64, self._device)
        self._sums.flush()
        return self._sums

    def _classifier(self, what: str, values: Any, shape: tuple[int, ...]) -> Array | None:
        if values is None:
            return None
        if isinstance(values, Tensor):
            values = values.detach().to("cpu", torch.float64)
        array = np.array(values, dtype=np.float64)  # a copy: training goes on
        if array.shape != shape:
            raise InvalidArgument(
                f"expected {what} of shape {list(shape)}; got {list(array.shape)}"
            )
        return array

    def _statistics(
        self, dtype: torch.dtype, sums: CentredSums, weight: Array | None, bias: Array | None
    ) -> Statistics:
        wide = dtype == torch.float64
        counts = sums.counts.cpu().numpy().astype(np.uint64)
        header = statistics_pb2.StatisticsHeader(
            layout_version=LAYOUT_VERSION,
            definitions_version=DEFINITIONS_VERSION,
            num_classes=self._num_classes,
            present_classes=len(counts),
            dim=self._dim,
            samples=int(counts.sum()),
            input_type=_TYPES[dtype][0],
            skipped_nonfinite=self._nonfinite.read()[0],
            ignored=int(self._ignored),
            has_classifier=weight is not None,
            has_classifier_bias=bias is not None,
            sum_squares=float(sums.sum_squares),
            # Half the spacing of what was multiplied, times its trace.
            scatter_resolution=(2.0**-53 if wide else 2.0**-24) * float(sums.shifted_trace),
            product_type=types_pb2.DATA_TYPE_FLOAT64 if wide else types_pb2.DATA_TYPE_FLOAT32,
        )
        full = sums.scatter.cpu().numpy()
        return Statistics(
            header=header,
            classes=sums.classes.cpu().numpy().astype(np.uint32),
            counts=counts,
            means=sums.means.cpu().numpy(),
            within=sums.within.cpu().numpy(),
            scatter_upper=np.concatenate([row[i:] for i, row in enumerate(full)]),
            weight=weight,
            bias=bias,
        )


class _Refused:
    """How many rows were refused, and the first of them; on the device."""

    def __init__(self, device: torch.device) -> None:
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._row = torch.full((), _NO_ROW, dtype=torch.int64, device=device)
        self._value = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, refused: Tensor, values: Tensor, first_row: int) -> None:
        """Counts rows [n], n >= 1, that come after `first_row` others; `values` [n] int64."""
        count = len(values)
        places = torch.arange(count, device=values.device).masked_fill_(~refused, count)
        place = places.amin()
        value = values.gather(0, place.clamp(max=count - 1).unsqueeze(0)).squeeze(0)
        takes = (self._count == 0) & (place < count)
        self._row = torch.where(takes, place + first_row, self._row)
        self._value = torch.where(takes, value, self._value)
        self._count += refused.sum()

    def read(self) -> tuple[int, int, int]:
        """Returns the count, and the row and value of the first; waits for the device."""
        return int(self._count), int(self._row), int(self._value)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
