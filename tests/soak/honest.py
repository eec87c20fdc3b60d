"""A client that behaves: one small epoch, whose report must be what it always is."""

import time

import ncscope
import numpy as np
from google.protobuf.json_format import MessageToDict
from loaded_server import LoadError

CLASSES, DIM, ROWS = 4, 16, 240


def comparable(report):
    """Returns what must not depend on when a report was made, nor on the run's name."""
    copy = type(report)()
    copy.CopyFrom(report)
    copy.ClearField("created_at")
    copy.key.run = ""
    return MessageToDict(copy)


class Honest:
    """Streams the same epoch again and again."""

    def __init__(self, address):
        self.address, self.count = address, 0
        self.expected = None
        self.expected = self.serve()

    def serve(self, timeout=30.0):
        """Streams an epoch by a connection of its own; raises LoadError for another report."""
        generator = np.random.default_rng(1)
        means = generator.standard_normal((CLASSES, DIM))
        labels = generator.integers(0, CLASSES, ROWS)
        features = means[labels] + 0.3 * generator.standard_normal((ROWS, DIM))
        self.count += 1
        limits = ncscope.StreamOptions(timeout=timeout, resume_timeout=timeout)
        with (
            ncscope.Client(self.address, timeout=timeout) as client,
            client.stream(f"honest{self.count}", 0, num_classes=CLASSES, options=limits) as stream,
        ):
            stream.classifier(means, np.zeros(CLASSES))
            for begin in range(0, ROWS, 60):
                stream.add(features[begin : begin + 60], labels[begin : begin + 60])
        report = comparable(stream.report.message)
        if self.expected is not None and report != self.expected:
            raise LoadError(f"an honest client got another report: {report}")
        return report

    def serve_within(self, seconds):
        """Tries until it is served; returns how long that took."""
        began = time.monotonic()
        while True:
            try:
                self.serve(seconds)
                break
            # Its connection was refused, or ended, or there are too many streams.
            except (ncscope.errors.Unavailable, ncscope.errors.ResourceExhausted) as error:
                last = error
            if time.monotonic() - began > seconds:
                raise LoadError(f"not served within {seconds} s: {last}")
            time.sleep(0.1)
        return time.monotonic() - began
