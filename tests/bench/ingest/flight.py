"""Arrow Flight's DoPut: `server`, `client PORT` or `copy PORT`. Needs pyarrow.

The server reads the chunks and drops them; for `copy` it copies features and labels to aligned
memory first. It checks nothing.
"""

import sys
import threading

import numpy as np
import pyarrow as pa
from pipe import DIM, client_pipe, serve_pipe
from pyarrow import flight


class Server(flight.FlightServerBase):
    """Takes whatever comes."""

    def do_put(self, context, descriptor, reader, writer):
        """Reads a stream to its end."""
        copies = descriptor.path[0] == b"copy"
        slots, number = [], 0
        while True:
            try:
                batch = reader.read_chunk().data
            except StopIteration:
                return
            if not copies:
                continue
            number += 1
            arrays = [batch["features"].flatten().to_numpy(), batch["labels"].to_numpy()]
            if len(slots) < 2:  # as many as raw TCP has
                slots.append([aligned(array) for array in arrays])
            for slot, array in zip(slots[number % len(slots)], arrays, strict=True):
                np.copyto(slot, array)


def aligned(like):
    """Returns memory for an array, at the start of a page."""
    page = 4096
    memory = np.zeros(like.nbytes + page, np.uint8)
    begin = -memory.ctypes.data % page
    return memory[begin : begin + like.nbytes].view(like.dtype)


def record_batch(features, labels):
    """Arrays as one record batch, without a copy."""
    values = pa.array(features.reshape(-1))
    rows = pa.FixedSizeListArray.from_arrays(values, DIM)
    return pa.record_batch([rows, pa.array(labels)], names=["features", "labels"])


def connect(how, port):
    """Returns what makes one stream, on a connection of its own."""

    def prepare(stream, batches):
        client = flight.connect(f"grpc://127.0.0.1:{port}")

        def send():
            descriptor = flight.FlightDescriptor.for_path(how, str(stream))
            writer, _ = client.do_put(descriptor, batches[0].schema)
            for batch in batches:
                writer.write_batch(batch)
            writer.close()  # waits for the end of do_put
            client.close()

        return send

    return prepare


def main():
    """Runs one of the two."""
    if sys.argv[1] == "server":
        server = Server("grpc://127.0.0.1:0")
        threading.Thread(target=server.serve, daemon=True).start()
        serve_pipe(server.port)
    else:
        client_pipe(record_batch, connect(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
