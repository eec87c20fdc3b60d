"""The mergeable state behind a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DataLoss, InvalidArgument
from .v1 import service_pb2, statistics_pb2
from .wire import checksum_of

Array = np.ndarray[Any, Any]

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Statistics:
    """The state of a series: P present classes, N samples, features of dimension d."""

    header: statistics_pb2.StatisticsHeader
    """Shapes and counters: num_classes, present_classes, dim, samples, skipped_nonfinite, ..."""
    classes: Array
    """Labels of the present classes, ascending. [P] uint32."""
    counts: Array
    """Samples per present class. [P] uint64."""
    means: Array
    """Class means, feature units. [P, d] float64."""
    within: Array
    """Sum over the class of ||h - mu_c||^2, feature units squared. [P] float64."""
    scatter_upper: Array
    """Upper triangle of N S_W, row by row, feature units squared. [d (d+1) / 2] float64."""
    weight: Array | None
    """Classifier W. [K, d] float64."""
    bias: Array | None
    """Classifier bias b. [K] float64."""

    def within_scatter(self) -> Array:
        """Returns S_W, the pooled within-class covariance, feature units squared. [d, d]."""
        dim = self.header.dim
        full = np.zeros((dim, dim))
        upper = np.triu_indices(dim)
        full[upper] = self.scatter_upper / self.header.samples
        full.T[upper] = full[upper]
        return full


@dataclass(frozen=True)
class Decisions:
    """NC4 of a state's samples, counted by who had them; classes as in `Statistics.classes`.

    Means of an epoch are known when it ends, so the nearest centre is that of an earlier one. All
    samples of the state are counted; ties go to the lowest class.
    """

    centers_epoch: int
    """Epoch whose class means, of split "train" and the same layer, the centres were."""
    agreements: Array
    """Samples of the class for which argmax(W h + b) is the nearest centre. [P] uint64."""
    nearest_correct: Array
    """Samples of the class whose nearest centre is that of the class. [P] uint64."""
    classifier_correct: Array
    """Samples of the class for which argmax(W h + b) is the class. [P] uint64."""


def read_statistics(parts: Iterable[service_pb2.GetStatisticsResponse]) -> Statistics:
    """Puts the arrays together again; raises DataLoss if a block is missing or damaged."""
    header = None
    arrays: dict[int, Array] = {}
    filled: dict[int, int] = {}
    for part in parts:
        if part.HasField("header"):
            header = part.header
            arrays = {array: np.empty(n, dtype) for array, (n, dtype) in _layout(header).items()}
            filled = dict.fromkeys(arrays, 0)
            continue
        block = part.block
        if block.array not in arrays or block.offset != filled[block.array]:
            raise DataLoss(f"statistics: array {block.array} has a gap at {block.offset}")
        _check(block)
        array = arrays[block.array]
        values = np.frombuffer(block.data, array.dtype.newbyteorder("<"))
        end = block.offset + len(values)
        if end > len(array):
            raise DataLoss(f"statistics: array {block.array} is longer than its header says")
        array[block.offset : end] = values
        filled[block.array] = end
    if header is None or any(filled[key] != len(array) for key, array in arrays.items()):
        raise DataLoss("statistics: the server sent less than its header says")
    block_type = statistics_pb2.StatisticsBlock
    weight = arrays.get(block_type.ARRAY_CLASSIFIER_WEIGHT)
    return Statistics(
        header=header,
        classes=arrays[block_type.ARRAY_CLASSES],
        counts=arrays[block_type.ARRAY_COUNTS],
        means=arrays[block_type.ARRAY_MEANS].reshape(header.present_classes, header.dim),
        within=arrays[block_type.ARRAY_WITHIN],
        scatter_upper=arrays[block_type.ARRAY_SCATTER],
        weight=None if weight is None else weight.reshape(header.num_classes, header.dim),
        bias=arrays.get(block_type.ARRAY_CLASSIFIER_BIAS),
    )


def announced(
    header: statistics_pb2.StatisticsHeader, decisions: Decisions | None
) -> statistics_pb2.StatisticsHeader:
    """Returns the header of a state that goes with `decisions`, or without."""
    message = statistics_pb2.StatisticsHeader()
    message.CopyFrom(header)
    message.ClearField("decisions")
    if decisions is not None:
        epoch = decisions.centers_epoch
        whole = isinstance(epoch, (int, np.integer)) and not isinstance(epoch, bool)
        if not whole or not 0 <= epoch < 1 << 32:
            raise InvalidArgument(f"expected centers_epoch in [0, 2^32); got {epoch!r}")
        message.decisions.centers_epoch = int(epoch)
    return message


def check_layout(
    header: statistics_pb2.StatisticsHeader, statistics: Statistics, decisions: Decisions | None
) -> None:
    """Raises InvalidArgument unless each array has the length and kind that the header says."""
    for array, (length, dtype) in _layout(header).items():
        values = _array_of(statistics, decisions, array)
        got = 0 if values is None else values.size
        name = statistics_pb2.StatisticsBlock.Array.Name(array)
        if got != length:
            raise InvalidArgument(f"statistics: expected {length} elements of {name}; got {got}")
        if values is None:
            continue
        expected = np.dtype(dtype)
        kinds = "iu" if expected.kind == "u" else "iuf"
        if values.dtype.kind not in kinds:
            raise InvalidArgument(
                f"statistics: expected {name} of {expected.name}; got {values.dtype}"
            )
        if expected.kind == "u" and values.size and values.min() < 0:
            raise InvalidArgument(f"statistics: expected {name} of at least 0; got {values.min()}")


def put_requests(
    open_message: service_pb2.Open,
    header: statistics_pb2.StatisticsHeader,
    statistics: Statistics,
    decisions: Decisions | None,
) -> Iterator[service_pb2.PutStatisticsRequest]:
    """Yields a state in the messages that contribute it."""
    yield service_pb2.PutStatisticsRequest(open=open_message)
    yield service_pb2.PutStatisticsRequest(header=header)
    for array, (_, dtype) in _layout(header).items():
        little = np.dtype(dtype).newbyteorder("<")
        values = np.ascontiguousarray(_array_of(statistics, decisions, array), dtype=little)
        values = values.reshape(-1)
        step = BLOCK_BYTES // little.itemsize
        for begin in range(0, len(values), step):
            data = values[begin : begin + step].tobytes()
            block = statistics_pb2.StatisticsBlock(
                array=statistics_pb2.StatisticsBlock.Array.Name(array),
                offset=begin,
                crc32c=checksum_of(data),
                data=data,
            )
            yield service_pb2.PutStatisticsRequest(block=block)


def _array_of(statistics: Statistics, decisions: Decisions | None, array: int) -> Array | None:
    block = statistics_pb2.StatisticsBlock
    arrays: dict[int, Array | None] = {
        block.ARRAY_CLASSES: statistics.classes,
        block.ARRAY_COUNTS: statistics.counts,
        block.ARRAY_MEANS: statistics.means,
        block.ARRAY_WITHIN: statistics.within,
        block.ARRAY_SCATTER: statistics.scatter_upper,
        block.ARRAY_CLASSIFIER_WEIGHT: statistics.weight,
        block.ARRAY_CLASSIFIER_BIAS: statistics.bias,
    }
    if decisions is not None:
        arrays |= {
            block.ARRAY_AGREEMENTS: decisions.agreements,
            block.ARRAY_NEAREST_CORRECT: decisions.nearest_correct,
            block.ARRAY_CLASSIFIER_CORRECT: decisions.classifier_correct,
        }
    return arrays[array]


def _layout(header: statistics_pb2.StatisticsHeader) -> dict[int, tuple[int, Any]]:
    """Returns length and element type of each array that a header announces."""
    block, present, dim = statistics_pb2.StatisticsBlock, header.present_classes, header.dim
    layout: dict[int, tuple[int, Any]] = {
        block.ARRAY_CLASSES: (present, np.uint32),
        block.ARRAY_COUNTS: (present, np.uint64),
        block.ARRAY_MEANS: (present * dim, np.float64),
        block.ARRAY_WITHIN: (present, np.float64),
        block.ARRAY_SCATTER: (dim * (dim + 1) // 2, np.float64),
    }
    if header.has_classifier:
        layout[block.ARRAY_CLASSIFIER_WEIGHT] = (header.num_classes * dim, np.float64)
    if header.has_classifier_bias:
        layout[block.ARRAY_CLASSIFIER_BIAS] = (header.num_classes, np.float64)
    if header.HasField("decisions"):
        layout[block.ARRAY_AGREEMENTS] = (present, np.uint64)
        layout[block.ARRAY_NEAREST_CORRECT] = (present, np.uint64)
        layout[block.ARRAY_CLASSIFIER_CORRECT] = (present, np.uint64)
    return layout


def _check(block: statistics_pb2.StatisticsBlock) -> None:
    """Compares the checksum of a block, where the package crc32c is installed."""
    try:
        checksum = checksum_of(block.data)
    except InvalidArgument:
        return
    if checksum != block.crc32c:
        raise DataLoss(f"statistics: array {block.array} is damaged at {block.offset}")
