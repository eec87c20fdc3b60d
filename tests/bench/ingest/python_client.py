"""The Python package on a server's port, with checksums."""

import itertools
import os
import sys

import ncscope
from pipe import CLASSES, client_pipe

RUNS = itertools.count()


def connect(address):
    """Returns what makes one stream, on a connection of its own."""

    def prepare(stream, batches):
        client = ncscope.Client(address)
        run = f"python-{os.getpid()}-{next(RUNS)}"
        options = ncscope.StreamOptions(crc=True)

        def send():
            opened = client.stream(run, stream, num_classes=CLASSES, options=options)
            for features, labels in batches:
                opened.add(features, labels)
            opened.close()
            client.close()

        return send

    return prepare


if __name__ == "__main__":
    client_pipe(lambda features, labels: (features, labels), connect(sys.argv[1]))
