"""From the arrays that people have to the bytes that the wire wants.

Arrays come as numpy (any byte order, any strides; ml_dtypes' bfloat16), torch tensors on any
device, or whatever numpy can read. They leave as C-contiguous little-endian buffers, a slice of
rows at a time, so that a large array is never copied as a whole.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np

from .errors import InvalidArgument
from .v1 import types_pb2

Array = np.ndarray[Any, Any]

# Name -> (wire type, bytes per element).
DTYPES: dict[str, tuple[types_pb2.DataType, int]] = {
    "float32": (types_pb2.DATA_TYPE_FLOAT32, 4),
    "float16": (types_pb2.DATA_TYPE_FLOAT16, 2),
    "bfloat16": (types_pb2.DATA_TYPE_BFLOAT16, 2),
    "float64": (types_pb2.DATA_TYPE_FLOAT64, 8),
}


def dtype_name(dtype: Any) -> str:
    """Returns "float32", ... of a name, a numpy or a torch dtype.

    Raises InvalidArgument for types that the wire does not have.
    """
    text = str(dtype).removeprefix("torch.")
    if text not in DTYPES:
        with contextlib.suppress(TypeError):
            text = np.dtype(dtype).newbyteorder("=").name
    if text not in DTYPES:
        raise InvalidArgument(f"expected an element type of {', '.join(DTYPES)}; got {dtype}")
    return text


class Features:
    """A matrix [n, d] whose rows can be had as little-endian bytes of one element type."""

    def __init__(self, values: Any, dtype: str | None = None, what: str = "features") -> None:
        """Takes `values` [n, d]; `dtype` None keeps their element type."""
        self._bits, given = _as_numpy(values, what)
        if self._bits.ndim != 2:
            raise InvalidArgument(f"expected {what} of shape [n, d]; got {_shape(self._bits)}")
        if dtype is None and given not in DTYPES:
            raise InvalidArgument(
                f"expected {what} of {', '.join(DTYPES)}; got {given} (give dtype= to convert)"
            )
        self._given = given
        self.dtype = dtype or given
        self.rows, self.dim = self._bits.shape
        self.row_bytes = self.dim * DTYPES[self.dtype][1]

    def read(self, begin: int, end: int) -> memoryview:
        """Returns the bytes of rows [begin, end); copies only what has to change."""
        rows = self._bits[begin:end]
        if self._given != self.dtype:
            rows = _convert(rows, self._given, self.dtype)
        if rows.dtype.byteorder == ">" or (rows.dtype.byteorder == "=" and sys.byteorder == "big"):
            rows = rows.astype(rows.dtype.newbyteorder("<"))
        return as_bytes(rows)


def as_bytes(array: Array) -> memoryview:
    """Returns the bytes of an array in C order; copies only what is not contiguous."""
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def labels_of(values: Any, rows: int, what: str = "labels") -> Array:
    """Returns integers [rows] as int64; raises InvalidArgument for other shapes and types."""
    labels, _ = _as_numpy(values, what)
    if labels.shape != (rows,):
        raise InvalidArgument(f"expected {what} of shape [{rows}]; got {_shape(labels)}")
    if labels.dtype.kind not in "iu":
        raise InvalidArgument(f"expected {what} of an integer type; got {labels.dtype}")
    if labels.dtype.kind == "u" and labels.size and int(labels.max()) > np.iinfo(np.int64).max:
        raise InvalidArgument(f"{what}: {labels.max()} does not fit into 64 signed bits")
    return np.ascontiguousarray(labels, dtype="<i8")


def _as_numpy(values: Any, what: str) -> tuple[Array, str]:
    """Returns an array and the name of its element type; bfloat16 comes as its 16 bits."""
    torch = sys.modules.get("torch")  # imported only if the user has it
    if torch is not None and isinstance(values, torch.Tensor):
        tensor = values.detach().cpu()
        if tensor.dtype == torch.bfloat16:
            return tensor.contiguous().view(torch.int16).numpy().view(np.uint16), "bfloat16"
        return tensor.numpy(), str(tensor.dtype).removeprefix("torch.")
    array = np.asarray(values)
    if array.dtype.kind == "O" or array.dtype.hasobject:
        raise InvalidArgument(f"expected {what} to be numbers; got an array of Python objects")
    name = array.dtype.newbyteorder("=").name
    if name == "bfloat16":
        return array.view(np.uint16), name
    return array, name


def _convert(rows: Array, given: str, wanted: str) -> Array:
    """Converts between element types, to the nearest value; bfloat16 is kept as its 16 bits."""
    if given == "bfloat16":
        rows = (rows.astype("<u4") << np.uint32(16)).view("<f4")
    if wanted != "bfloat16":
        return rows.astype(np.dtype(wanted).newbyteorder("<"))
    bits = np.ascontiguousarray(rows, dtype="<f4").view("<u4")
    # Ties to even; a NaN keeps its upper bits, one of which is set so that it stays a NaN.
    upper = bits >> np.uint32(16)
    rounded = (bits + (np.uint32(0x7FFF) + (upper & np.uint32(1)))) >> np.uint32(16)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    out: Array = np.where(is_nan, upper | np.uint32(0x40), rounded).astype("<u2")
    return out


def _shape(array: Array) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"
