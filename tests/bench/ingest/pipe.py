"""How the driver talks to the programs that it measures, in Python: see pipe.h."""

import json
import resource
import sys
import threading
import time

import numpy as np

DIM, CLASSES = 512, 100
SOURCE_BYTES = 16 << 20  # of each stream


def cpu_seconds():
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(**values):
    """Answers with a line of JSON."""
    print(json.dumps(values), flush=True)


def serve_pipe(port):
    """Of a server."""
    say(port=port)
    for _ in sys.stdin:
        say(cpu=cpu_seconds(), peak_kib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def make_source(batch_bytes, stream):
    """Batches (features [n, DIM] float32, labels [n] int64) that come round again."""
    random = np.random.default_rng(stream)
    rows = batch_bytes // (4 * DIM)
    noise = random.standard_normal((rows, DIM), dtype=np.float32)
    return [
        (np.roll(noise, i, axis=0), random.integers(0, CLASSES, rows))
        for i in range(max(2, SOURCE_BYTES // batch_bytes))
    ]


def client_pipe(prepare, connect):
    """Of a client: `connect(stream, batches)` returns what sends so many of them, each in a thread.

    `prepare(features, labels)` makes of a batch what is sent.
    """
    say()
    sources, size = {}, 0
    for line in sys.stdin:
        streams, batch_bytes, count = map(int, line.split())
        if batch_bytes != size:
            sources, size = {}, batch_bytes
        for i in range(streams):
            if i not in sources:
                sources[i] = [prepare(*batch) for batch in make_source(batch_bytes, i)]
        sends = [
            connect(i, [sources[i][k % len(sources[i])] for k in range(count)])
            for i in range(streams)
        ]
        threads = [threading.Thread(target=send) for send in sends]
        cpu, begin = cpu_seconds(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        rows = batch_bytes // (4 * DIM)
        say(
            seconds=seconds,
            cpu=cpu_seconds() - cpu,
            bytes=streams * count * (batch_bytes + 8 * rows),
        )
