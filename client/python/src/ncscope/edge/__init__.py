"""The state of an epoch, summed where the features are: on the trainer's own torch device.

In place of the samples, O(N d), the state crosses the network, O(K d + d^2), once an epoch::

    edge = EdgeStatistics(num_classes, dim, device, centers=centers)
    for x, labels in loader:
        edge.add(penultimate_layer(model, x), labels, model.fc.weight, model.fc.bias)
    state, decisions = edge.finish(model.fc.weight, model.fc.bias)
    report = client.put_statistics("my-run", epoch, state, decisions=decisions)
    centers = edge.next_centers(epoch)

Needs torch 1.13 or later; nothing else of the package does.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidArgument
from ..statistics import Array, Decisions, Statistics
from ..v1 import statistics_pb2, types_pb2
from .admission import Admission, check_floats, check_integers, type_name
from .arithmetic import plain_arithmetic
from .decisions import AffineScores, Centers, DecisionCounter, classifier_scores
from .sums import CentredSums, ShiftedSums

__all__ = ["Centers", "EdgeStatistics"]

LAYOUT_VERSION = 1
DEFINITIONS_VERSION = "1"

_WIRE_TYPES = {
    torch.float32: types_pb2.DATA_TYPE_FLOAT32,
    torch.float16: types_pb2.DATA_TYPE_FLOAT16,
    torch.bfloat16: types_pb2.DATA_TYPE_BFLOAT16,
    torch.float64: types_pb2.DATA_TYPE_FLOAT64,
}


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
        self._device = torch.empty(0, device=device).device  # "cuda" gets its index
        self._sums: ShiftedSums | None = None
        self._counter: DecisionCounter | None = None
        with plain_arithmetic(self._device):
            try:
                torch.zeros((), dtype=torch.float64, device=self._device)
            except (RuntimeError, TypeError) as error:
                raise InvalidArgument(
                    f"expected a device that has float64; {self._device} says: {error}"
                ) from error
            self._admission = Admission(
                num_classes, ignore_index, nonfinite == "refuse", self._device
            )
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
        features = features.detach()
        with plain_arithmetic(self._device):
            decided = self._decided(features, weight, bias, predictions)
            if self._sums is None:
                self._sums = ShiftedSums(self._num_classes, self._dim, features.dtype, self._device)
            count, begin = len(features), 0
            while begin < count:
                end = min(count, begin + self._sums.room)
                rows = features[begin:end]
                predicted = decided[begin:end] if isinstance(decided, Tensor) else None
                classes = self._admission.admit(rows, labels[begin:end], predicted)
                if self._counter is not None and decided is not None:
                    self._counter.add(rows, classes, decided if predicted is None else predicted)
                self._sums.add(rows, classes)
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
        self._admission.check()
        with plain_arithmetic(self._device):
            sums = self._flushed()
            centred = sums.centred()
            counts = None if self._counter is None else self._counter.counts(centred.classes)
        state = self._statistics(sums.dtype, centred, matrix, offsets)
        if self._counter is None or counts is None:
            return state, None
        agreements, nearest, classifier = counts.cpu().numpy().astype(np.uint64)
        return state, Decisions(self._counter.epoch, agreements, nearest, classifier)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self._device

    def flush(self) -> None:
        """Does what `add` has left for later; `finish` does it too. Does not wait for the device.

        Where `finish` is called in another thread: products set torch's precision, which is the
        process's, while they are launched.
        """
        if self._sums is not None:
            with plain_arithmetic(self._device):
                self._sums.flush()

    def device_bytes(self) -> int:
        """Bytes of the device that it holds."""
        return 0 if self._sums is None else self._sums.device_bytes()

    def next_centers(self, epoch: int) -> Centers:
        """Returns the class means of all that was added, as centres "of epoch `epoch`".

        Where several ranks share an epoch, the means are those of the merged state, which
        `Centers.from_statistics` takes from `client.statistics`.
        """
        with plain_arithmetic(self._device):
            sums = self._flushed()
            return Centers(epoch, sums.means(), sums.counts[: self._num_classes] > 0)

    def _check(self, features: Tensor, labels: Tensor) -> None:
        check_floats("features", features, (None, self._dim), self._device)
        if self._sums is not None and features.dtype != self._sums.dtype:
            raise InvalidArgument(
                f"expected features of {type_name(self._sums.dtype)}, as before; "
                f"got {type_name(features.dtype)}"
            )
        check_integers("labels", labels, len(features), self._device)

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
            check_integers("predictions", predictions, len(features), self._device)
            return predictions
        check_floats("weight", weight, (self._num_classes, self._dim), self._device)
        if bias is not None:
            check_floats("bias", bias, (self._num_classes,), self._device)
            bias = bias.detach()
        return classifier_scores(weight.detach(), bias, features.dtype)

    def _flushed(self) -> ShiftedSums:
        if self._sums is None:  # of no type yet; merging keeps the coarser one, which this is not
            return ShiftedSums(self._num_classes, self._dim, torch.float64, self._device)
        self._sums.flush()
        return self._sums

    def _classifier(self, what: str, values: Any, shape: tuple[int, ...]) -> Array | None:
        if values is None:
            return None
        if isinstance(values, Tensor):
            values = values.detach().to("cpu", torch.float64).numpy()
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
        nonfinite, ignored = self._admission.counts()
        counts = sums.counts.cpu().numpy().astype(np.uint64)
        header = statistics_pb2.StatisticsHeader(
            layout_version=LAYOUT_VERSION,
            definitions_version=DEFINITIONS_VERSION,
            num_classes=self._num_classes,
            present_classes=len(counts),
            dim=self._dim,
            samples=int(counts.sum()),
            input_type=_WIRE_TYPES[dtype],
            skipped_nonfinite=nonfinite,
            ignored=ignored,
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
