"""Messages of a stream as bytes.

A batch is joined from memoryviews in one copy: filling a protobuf message first would copy the
features once more, and a message is what serialising takes the longest for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import DTYPES, Features
from .errors import InvalidArgument
from .v1 import service_pb2

Buffer = bytes | memoryview

# Tags of StreamRequest and Batch: field number and wire type. tests/python checks them against
# the protos.
_REQUEST_BATCH = b"\x12"
_SEQUENCE, _ROWS, _CRC32C = b"\x08", b"\x10", b"\x1d"
_SAMPLE_IDS, _PREDICTIONS, _LABELS, _FEATURES = b"\x62", b"\x6a", b"\x72", b"\x7a"

CLASSIFIER_CHUNK_BYTES = 1 << 20


def varint(value: int) -> bytes:
    """Encodes a non-negative integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def frame_batch(
    sequence: int,
    rows: int,
    *,
    labels: Buffer,
    features: Buffer,
    predictions: Buffer = b"",
    sample_ids: Buffer = b"",
    crc: bool = False,
) -> bytes:
    """Returns a StreamRequest that holds a Batch; buffers are little-endian, `features` row-major.

    With `crc`, CRC-32C of the buffers is added; that needs the package crc32c.
    """
    parts: list[Buffer] = []
    if sequence:
        parts += [_SEQUENCE, varint(sequence)]
    parts += [_ROWS, varint(rows)]
    if crc:
        checksum = checksum_of(labels, predictions, sample_ids, features)
        parts += [_CRC32C, checksum.to_bytes(4, "little")]
    columns = (
        (_SAMPLE_IDS, sample_ids),
        (_PREDICTIONS, predictions),
        (_LABELS, labels),
        (_FEATURES, features),
    )
    for tag, data in columns:
        if len(data):
            parts += [tag, varint(len(data)), data]
    size = sum(map(len, parts))
    return b"".join([_REQUEST_BATCH, varint(size), *parts])


def checksum_of(*buffers: Buffer) -> int:
    """Returns CRC-32C of the buffers, one after the other."""
    try:
        from crc32c import crc32c  # compiled, takes any buffer, and lets other threads run
    except ImportError as error:
        raise InvalidArgument('checksums need: pip install "ncscope[crc]"') from error
    checksum = 0
    for data in buffers:
        checksum = crc32c(data, checksum)
    return checksum


def frame_classifier(weight: Any, bias: Any, num_classes: int, dim: int) -> Iterator[bytes]:
    """Yields StreamRequests with W [K, d] and b [K] (or None) in chunks of at most 1 MiB.

    `dim` 0 stands for any. float64 stays; every other type travels as float32, which holds it
    exactly.
    """
    chunk_type = service_pb2.ClassifierChunk
    w = Features(weight, _classifier_dtype(weight), "weight")
    if w.rows != num_classes or (dim and w.dim != dim):
        raise InvalidArgument(
            f"expected weight of shape [{num_classes}, {dim or 'd'}]; got [{w.rows}, {w.dim}]"
        )
    arrays = [(chunk_type.ARRAY_WEIGHT, w)]
    if bias is not None:
        row = Features(_row(bias), _classifier_dtype(bias), "bias")
        if row.dim != num_classes:
            raise InvalidArgument(f"expected bias of shape [{num_classes}]; got [{row.dim}]")
        arrays.append((chunk_type.ARRAY_BIAS, row))
    for array, values in arrays:
        wire_type, size = DTYPES[values.dtype]
        data = values.read(0, values.rows)
        for begin in range(0, len(data), CLASSIFIER_CHUNK_BYTES):
            chunk = chunk_type(
                array=array,
                offset=begin // size,
                data_type=wire_type,
                data=bytes(data[begin : begin + CLASSIFIER_CHUNK_BYTES]),
            )
            yield service_pb2.StreamRequest(classifier=chunk).SerializeToString()


def _classifier_dtype(values: Any) -> str:
    kind = str(getattr(values, "dtype", "float64"))  # a list is read as float64
    return "float64" if kind.endswith(("float64", "f8")) else "float32"


def _row(bias: Any) -> Any:
    """Returns a bias [K] as [1, K]."""
    values = bias if hasattr(bias, "reshape") else np.asarray(bias, dtype=np.float64)
    if len(values.shape) != 1:
        raise InvalidArgument(f"expected bias of shape [K]; got {list(values.shape)}")
    return values.reshape(1, -1)
