"""Which samples count, found out on the device: what is wrong with a value is said at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InvalidArgument

# Type -> magnitude from which on a value is not taken; see NonfinitePolicy.
LIMITS = {
    torch.float32: 2.0**126,
    torch.float16: math.inf,
    torch.bfloat16: 2.0**126,
    torch.float64: 2.0**220,
}
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def check_floats(
    what: str, values: Tensor, shape: Sequence[int | None], device: torch.device
) -> None:
    """Raises InvalidArgument for values of another shape (None: any size), type or device."""
    sizes = ", ".join("n" if size is None else str(size) for size in shape)
    fits = values.dim() == len(shape) and all(
        size in (None, got) for size, got in zip(shape, values.shape, strict=True)
    )
    if not fits:
        raise InvalidArgument(f"expected {what} of shape [{sizes}]; got {list(values.shape)}")
    if values.dtype not in LIMITS:
        types = ", ".join(type_name(dtype) for dtype in LIMITS)
        raise InvalidArgument(f"expected {what} of {types}; got {type_name(values.dtype)}")
    _check_device(what, values, device)


def check_integers(what: str, values: Tensor, rows: int, device: torch.device) -> None:
    """Raises InvalidArgument for values that are no integers [rows] on the device."""
    if tuple(values.shape) != (rows,):
        raise InvalidArgument(f"expected {what} of shape [{rows}]; got {list(values.shape)}")
    if values.dtype not in _INTEGERS:
        raise InvalidArgument(f"expected {what} of an integer type; got {type_name(values.dtype)}")
    _check_device(what, values, device)


def type_name(dtype: torch.dtype) -> str:
    """Returns "float32", ..."""
    return str(dtype).removeprefix("torch.")


def _check_device(what: str, values: Tensor, device: torch.device) -> None:
    if values.device != device:
        raise InvalidArgument(f"expected {what} on {device}; got them on {values.device}")


class Admission:
    """Decides row by row what counts, and remembers what does not."""

    def __init__(self, num_classes: int, ignore_index: int, refuse: bool, device: torch.device):
        """`refuse`: features that are not finite are an error of `check`, not just counted."""
        self._num_classes = num_classes
        self._ignore_index = ignore_index
        self._refuse = refuse
        self._rows = 0
        self._limit = math.inf
        self._ignored = torch.zeros((), dtype=torch.int64, device=device)
        self._nonfinite = _Refused(device)
        self._labels = _Refused(device)
        self._predictions = _Refused(device)

    def admit(self, rows: Tensor, labels: Tensor, predictions: Tensor | None) -> Tensor:
        """Returns the labels [n] int64 of rows [n, d], K for those that do not count."""
        self._limit = LIMITS[rows.dtype]
        labels = labels.to(torch.int64)
        ignored = labels == self._ignore_index
        bad = ~ignored & self._out_of_range(labels)
        unusable = ~(rows.abs() < self._limit).all(1) & ~ignored & ~bad
        dropped = ignored | bad | unusable
        self._ignored += ignored.sum()
        self._labels.add(bad, labels, self._rows)
        self._nonfinite.add(unusable, labels, self._rows)
        if predictions is not None:
            predictions = predictions.to(torch.int64)
            bad = ~dropped & self._out_of_range(predictions)
            self._predictions.add(bad, predictions, self._rows)
        self._rows += len(labels)
        return labels.masked_fill(dropped, self._num_classes)

    def check(self) -> None:
        """Raises InvalidArgument if a value was wrong, naming the first; waits for the device."""
        ignore = f" or ignore_index {self._ignore_index}"
        for what, refused, other in (
            ("labels", self._labels, ignore),
            ("predictions", self._predictions, ""),
        ):
            count, row, value = refused.read()
            if count > 0:
                raise InvalidArgument(
                    f"{what}: expected integers in [0, {self._num_classes}){other}; "
                    f"got {value} at row {row}{_and_more(count - 1)}"
                )
        count, row, label = self._nonfinite.read()
        if self._refuse and count > 0:
            below = ""
            if self._limit < math.inf:
                below = f" below 2^{round(math.log2(self._limit))} in magnitude"
            raise InvalidArgument(
                f"features: expected finite ones{below}; got others at row {row} "
                f"(label {label}){_and_more(count - 1)}"
            )

    def counts(self) -> tuple[int, int]:
        """Returns how many rows were not finite, and ignored; waits for the device."""
        return self._nonfinite.read()[0], int(self._ignored)

    def _out_of_range(self, values: Tensor) -> Tensor:
        return (values < 0) | (values >= self._num_classes)


class _Refused:
    """How many rows were refused, and the first of them; on the device."""

    def __init__(self, device: torch.device) -> None:
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._row = torch.zeros((), dtype=torch.int64, device=device)
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


def _and_more(rows: int) -> str:
    return f", and {rows} more" if rows > 0 else ""
