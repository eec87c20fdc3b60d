"""A small training without a framework, in this process or in one of its own."""

import json
import subprocess
import sys
import textwrap
import time

import numpy as np

CLASSES, DIM = 5, 24


def samples_of(epoch, rows=600, rank=0):
    """Features that collapse as epochs go by, labels, and the classifier."""
    rng = np.random.default_rng([epoch, rank])
    means = np.random.default_rng(7).standard_normal((CLASSES, DIM))
    labels = rng.integers(0, CLASSES, rows)
    noise = rng.standard_normal((rows, DIM)) / (1 + epoch)
    return (means[labels] + noise).astype(np.float32), labels, means.astype(np.float32)


def measure(monitor, epoch, split="train", batch=50, **options):
    """One epoch as a training observes it; returns the future of its report."""
    features, labels, weight = samples_of(epoch, **options)
    with monitor.epoch(epoch, split) as measured:
        for begin in range(0, len(labels), batch):
            measured.observe(features[begin : begin + batch], labels[begin : begin + batch])
        measured.classifier(weight)
    return measured.future


def expected(client, run, epoch, **options):
    """The report of the same samples, streamed by a plain client."""
    features, labels, weight = samples_of(epoch, **options)
    with client.stream(run, epoch, num_classes=CLASSES, nonfinite="skip") as stream:
        stream.add(features, labels)
        stream.classifier(weight)
    return stream.report


def same_numbers(report, other):
    """Whether two reports say the same of their samples; batches may have been cut otherwise."""
    wanted = other.to_dict()
    got = report.to_dict()
    for group in ("nc1", "nc2", "nc3", "nc4"):
        _compare(got.get(group), wanted.get(group), group)
    assert report.data.samples == other.data.samples


def _compare(got, wanted, path):
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys(), path
        for key in wanted:
            _compare(got[key], wanted[key], f"{path}.{key}")
    elif isinstance(wanted, float):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12, err_msg=path)
    elif not isinstance(wanted, list):
        assert got == wanted, path


class Program:
    """A training in a process of its own; its lines are JSON."""

    def __init__(self, body, *arguments, folder, environment=None):
        source = (
            "import json, sys, time, os, signal\n"
            "import numpy as np, ncscope\n"
            "import trainers\n"
            "say = lambda **values: print(json.dumps(values), flush=True)\n"
        ) + textwrap.dedent(body)
        path = folder / "training.py"
        path.write_text(source)
        here = str(__import__("pathlib").Path(__file__).parent)
        import os

        self.errors = folder / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, path, *map(str, arguments)],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"PYTHONPATH": here} | (environment or {}),
            )

    def next(self):
        """What it says next."""
        line = self.process.stdout.readline()
        assert line, f"the training ended:\n{self.errors.read_text()}"
        return json.loads(line)

    def finish(self, timeout=60):
        """Waits for its end; returns what it has said."""
        out, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, self.errors.read_text()
        return [json.loads(line) for line in out.splitlines()]


def is_running(pid):
    """Whether there is such a process, zombies aside."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
