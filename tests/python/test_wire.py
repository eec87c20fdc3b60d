"""Frames are what protobuf reads; the backlog keeps what may be asked for again."""

import google_crc32c
import numpy as np
import pytest
from ncscope import wire
from ncscope.backlog import Backlog
from ncscope.errors import InvalidArgument
from ncscope.v1 import service_pb2, types_pb2


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32 - 1, 2**63])
def test_varint(value):
    message = service_pb2.Close(batches=value)
    expected = message.SerializeToString()[1:] if value else b"\x00"
    assert wire.varint(value) == expected


@pytest.mark.parametrize("sequence", [0, 1, 200, 2**40])
@pytest.mark.parametrize("with_predictions", [False, True])
@pytest.mark.parametrize("with_ids", [False, True])
@pytest.mark.parametrize("crc", [False, True])
def test_a_framed_batch_is_the_message(sequence, with_predictions, with_ids, crc):
    labels, features = b"l" * 16, b"f" * 24
    predictions = b"p" * 16 if with_predictions else b""
    sample_ids = b"i" * 16 if with_ids else b""
    data = wire.frame_batch(
        sequence,
        2,
        labels=labels,
        features=memoryview(features),
        predictions=predictions,
        sample_ids=sample_ids,
        crc=crc,
    )
    request = service_pb2.StreamRequest.FromString(data)
    expected = service_pb2.Batch(
        sequence=sequence,
        rows=2,
        labels=labels,
        features=features,
        predictions=predictions,
        sample_ids=sample_ids,
    )
    if crc:
        expected.crc32c = google_crc32c.value(labels + predictions + sample_ids + features)
    assert request.batch == expected


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_classifier_comes_in_chunks_without_a_gap(dtype):
    weight = (np.arange(300_000) % 1000).reshape(3, -1).astype(dtype)
    bias = np.array([1, 2, 3], dtype)
    wanted = np.dtype("float64" if dtype == "float64" else "float32")
    arrays = {1: b"", 2: b""}
    for data in wire.frame_classifier(weight, bias, 3, 100_000):
        chunk = service_pb2.StreamRequest.FromString(data).classifier
        assert len(chunk.data) <= wire.CLASSIFIER_CHUNK_BYTES
        assert chunk.offset * wanted.itemsize == len(arrays[chunk.array])
        assert types_pb2.DataType.Name(chunk.data_type) == f"DATA_TYPE_{wanted.name.upper()}"
        arrays[chunk.array] += chunk.data
    np.testing.assert_array_equal(np.frombuffer(arrays[1], wanted), weight.reshape(-1))
    np.testing.assert_array_equal(np.frombuffer(arrays[2], wanted), bias)


@pytest.mark.parametrize(
    ("weight", "bias", "text"),
    [
        (np.zeros((2, 4)), None, r"expected weight of shape \[3, 4\]; got \[2, 4\]"),
        (np.zeros((3, 5)), None, r"expected weight of shape \[3, 4\]; got \[3, 5\]"),
        (np.zeros((3, 4)), np.zeros(2), r"expected bias of shape \[3\]; got \[2\]"),
        (np.zeros((3, 4)), np.zeros((3, 1)), r"expected bias of shape \[K\]; got \[3, 1\]"),
    ],
)
def test_a_classifier_of_other_shapes_is_refused(weight, bias, text):
    with pytest.raises(InvalidArgument, match=text):
        list(wire.frame_classifier(weight, bias, 3, 4))


def test_backlog_counts_bytes_and_lets_go():
    backlog = Backlog(first=5)
    for size in (10, 20, 30, 40):
        backlog.append(b"x" * size)
    assert backlog.end == 9
    assert [backlog.bytes_from(n) for n in (0, 5, 6, 8, 9)] == [100, 100, 90, 40, 0]
    backlog.let_go(durable=6, received=8, keep_bytes=1000)
    assert backlog.first == 6
    backlog.let_go(durable=6, received=8, keep_bytes=75)  # received, not durable: within a bound
    assert backlog.first == 7
    backlog.let_go(durable=0, received=7, keep_bytes=0)  # never what was not received
    assert backlog.first == 7
    assert [len(batch) for batch in backlog.batches_from(8)] == [40]
    backlog.let_go(durable=8, received=9, keep_bytes=None)  # all that is not durable
    assert backlog.first == 8
