"""One rank of one epoch: streams it, notes what was acknowledged, and checks that it stays so.

    worker.py ADDRESS_FILE NOTES RUN SPLIT RANK WORLD

NOTES is a folder. Rank 0 of the run "s..." contributes the state that lies there instead of
streaming. The driver may kill this process and start it again: it goes on where the server
says. Ends with 0 once the rank is closed, 3 where the server is gone or refused for a reason that
passes, 1 where something acknowledged was lost, or anything else is wrong.
"""

import os
import queue
import random
import struct
import sys
from pathlib import Path

import google_crc32c
import grpc
import numpy as np
from ncscope.v1 import service_pb2, types_pb2

BATCHES, DIM, CLASSES = 24, 24, 5
ROWS = int(os.environ.get("NCSCOPE_CRASH_ROWS", "48"))
PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,  # a newer process of the same rank took over
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


def samples(split, rank):
    """Features [B, n, d] float32 and labels [B, n] of a rank."""
    means = np.random.default_rng(0).standard_normal((CLASSES, DIM))
    generator = np.random.default_rng([len(split), rank])
    labels = generator.integers(0, CLASSES, (BATCHES, ROWS))
    noise = generator.standard_normal((BATCHES, ROWS, DIM))
    return (means[labels] + 0.3 * noise).astype("<f4"), labels


def batch(split, rank, sequence):
    features, labels = samples(split, rank)
    label_bytes, feature_bytes = labels[sequence].tobytes(), features[sequence].tobytes()
    return service_pb2.StreamRequest(
        batch=service_pb2.Batch(
            sequence=sequence,
            rows=ROWS,
            crc32c=google_crc32c.value(label_bytes + feature_bytes),
            labels=label_bytes,
            features=feature_bytes,
        )
    )


def classifier_chunks():
    weight = np.random.default_rng(0).standard_normal((CLASSES, DIM)).astype("<f8")
    bias = np.linspace(-0.1, 0.1, CLASSES).astype("<f8")
    for array, values in ((1, weight.reshape(-1)), (2, bias)):
        half = len(values) // 2
        for offset, part in ((0, values[:half]), (half, values[half:])):
            yield service_pb2.StreamRequest(
                classifier=service_pb2.ClassifierChunk(
                    array=array,
                    offset=offset,
                    data_type=types_pb2.DATA_TYPE_FLOAT64,
                    data=part.tobytes(),
                )
            )


def open_message(run, split, rank, world):
    return service_pb2.Open(
        key=types_pb2.SeriesKey(run=run, epoch=0, split=split),
        rank=rank,
        world_size=world,
        num_classes=CLASSES,
        dim=DIM,
        data_type=types_pb2.DATA_TYPE_FLOAT32,
        label_type=types_pb2.LABEL_TYPE_INT64,
    )


class Notes:
    """How many batches were acknowledged, whatever process of this rank heard it."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)

    def read(self):
        data = os.pread(self.file, 8, 0)
        return struct.unpack("<q", data)[0] if len(data) == 8 else 0

    def raise_to(self, count):
        if count > self.read():
            os.pwrite(self.file, struct.pack("<q", count), 0)


def stream(channel, notes, run, split, rank, world):
    requests = queue.SimpleQueue()
    acknowledged = notes.read()
    requests.put(service_pb2.StreamRequest(open=open_message(run, split, rank, world)))
    method = channel.stream_stream(
        "/ncscope.v1.NeuralCollapseService/Stream",
        request_serializer=service_pb2.StreamRequest.SerializeToString,
        response_deserializer=service_pb2.StreamResponse.FromString,
    )
    call = method(iter(requests.get, None), timeout=120)
    opened = next(call).opened
    if opened.next_sequence < acknowledged:
        sys.exit(
            f"LOST: {acknowledged} batches were acknowledged, {opened.next_sequence} are there"
        )
    if opened.next_sequence > BATCHES:
        sys.exit(f"LOST: {opened.next_sequence} batches are there of {BATCHES}")
    generator = random.Random()
    first = max(0, opened.next_sequence - generator.randrange(3))  # some twice
    sent = 0
    for sequence in range(first, BATCHES):
        requests.put(batch(split, rank, sequence))
        sent += 1
        if sent > 4:  # a window
            notes.raise_to(next(call).ack.received_sequence + 1)
            sent -= 1
    if rank < 2:
        for chunk in classifier_chunks():
            requests.put(chunk)
    requests.put(service_pb2.StreamRequest(close=service_pb2.Close(batches=BATCHES)))
    closed = False
    for response in call:
        if response.HasField("ack"):
            notes.raise_to(response.ack.received_sequence + 1)
        closed = closed or response.HasField("closed")
        if closed:
            requests.put(None)
    return closed


def contribute(channel, state, run, split, rank, world):
    def requests():
        yield service_pb2.PutStatisticsRequest(open=open_message(run, split, rank, world))
        data = state.read_bytes()
        while data:
            (size,) = struct.unpack("<q", data[:8])
            yield service_pb2.PutStatisticsRequest.FromString(data[8 : 8 + size])
            data = data[8 + size :]

    method = channel.stream_unary(
        "/ncscope.v1.NeuralCollapseService/PutStatistics",
        request_serializer=service_pb2.PutStatisticsRequest.SerializeToString,
        response_deserializer=service_pb2.PutStatisticsResponse.FromString,
    )
    method(requests(), timeout=120)
    return True


def main():
    address_file, folder, run, split, rank, world = sys.argv[1:]
    notes = Notes(Path(folder) / f"{run}-{split}-{rank}")
    address = Path(address_file).read_text(encoding="utf-8").strip()
    with grpc.insecure_channel(address) as channel:
        try:
            place = (run, split, int(rank), int(world))
            if run.startswith("s") and rank == "0":
                done = contribute(channel, Path(folder) / "state", *place)
            else:
                done = stream(channel, notes, *place)
            sys.exit(0 if done else 3)
        except StopIteration:
            sys.exit(3)
        except grpc.RpcError as error:
            if error.code() in PASSING:
                sys.exit(3)
            sys.exit(f"{error.code()}: {error.details()}")


if __name__ == "__main__":
    main()
