#!/usr/bin/env python3
"""Measures neural collapse the usual way, with PyTorch, for ncscope to be compared with.

Two passes over the batches: class sums and counts, then the covariance of centred features as X^T X
in float32; torch.linalg.pinv of S_B; cosines of class means and cdnv over the K x K grid. Features
wait in pinned host memory, as for ncscope_bench_cuda, whose shapes these are.

    torch_baseline.py [--quick | --smoke] [--limit SECONDS] [--output FILE]

Each way is run once to warm up, on one round of the samples; that run is in no figure. Writes
JSON, anew after each figure. What does not fit the card's memory is recorded as that, what fails as
failed, and the others go on. Exit status: 0 done, 1 something failed, 3 there is no torch.
"""

import argparse
import copy
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace

try:
    import torch
except ImportError:
    torch = None


@dataclass(frozen=True)
class Shape:
    name: str
    rows: int
    dim: int
    classes: int
    pool_rows: int
    batch_rows: int


SHAPES = {
    "full": (
        Shape("imagenet/pinned/float32", 1_280_000, 2048, 1000, 128_000, 8192),
        Shape("many_classes/pinned/float32", 300_000, 1024, 30_000, 150_000, 8192),
    ),
    "quick": (
        Shape("imagenet/pinned/float32", 320_000, 2048, 1000, 128_000, 8192),
        Shape("many_classes/pinned/float32", 150_000, 1024, 30_000, 150_000, 8192),
    ),
    "smoke": (
        Shape("few/float32", 300, 12, 5, 100, 64),
        Shape("many/float32", 120, 6, 20, 60, 64),
    ),
}


class TimeLimit(Exception):
    """The time for all of it has passed."""


class Epoch:
    """Samples in host memory, a pool that comes round again."""

    def __init__(self, shape, device, deadline):
        self.shape = shape
        self.device = device
        self.deadline = deadline
        generator = torch.Generator().manual_seed(1)
        # Every class is there: the usual way divides by the counts.
        self.labels = torch.randperm(shape.pool_rows, generator=generator) % shape.classes
        self.features = torch.empty(shape.pool_rows, shape.dim)
        if device.type == "cuda":
            self.features = self.features.pin_memory()
            self.labels = self.labels.pin_memory()
        # Made on the device: the host is slow at gigabytes of it.
        made = torch.Generator(device).manual_seed(2)
        means = torch.randn(shape.classes, shape.dim, generator=made, device=device)
        for first in range(0, shape.pool_rows, shape.batch_rows):
            labels = self.labels[first : first + shape.batch_rows].to(device)
            noise = torch.randn(len(labels), shape.dim, generator=made, device=device)
            self.features[first : first + len(labels)].copy_(means[labels] + 0.5 * noise)
        synchronize(device)

    def of_rows(self, rows):
        """The same samples as an epoch of so many."""
        other = copy.copy(self)
        other.shape = replace(self.shape, rows=rows)
        return other

    def batches(self):
        done = 0
        while done < self.shape.rows:
            if time.monotonic() > self.deadline:
                raise TimeLimit
            first = done % self.shape.pool_rows
            last = min(
                first + self.shape.batch_rows,
                self.shape.pool_rows,
                first + self.shape.rows - done,
            )
            done += last - first
            yield (
                self.features[first:last].to(self.device, non_blocking=True),
                self.labels[first:last].to(self.device, non_blocking=True),
            )


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def one_hot_sums(sums, x, y):
    sums += torch.nn.functional.one_hot(y, len(sums)).to(x.dtype).T @ x


def index_add_sums(sums, x, y):
    sums.index_add_(0, y, x)


def measure(epoch, add_to_sums):
    """Returns the metrics of an epoch, and the seconds of its parts."""
    shape, device = epoch.shape, epoch.device
    d, k = shape.dim, shape.classes
    seconds = {}
    start = last = time.perf_counter()

    def lap(name):
        nonlocal last
        synchronize(device)
        now = time.perf_counter()
        seconds[name] = now - last
        last = now
        if time.monotonic() > epoch.deadline:
            raise TimeLimit

    sums = torch.zeros(k, d, device=device)
    counts = torch.zeros(k, device=device)
    for x, y in epoch.batches():
        add_to_sums(sums, x, y)
        counts += torch.bincount(y, minlength=k)
    means = sums / counts[:, None]
    lap("first_pass_s")

    within = torch.zeros(d, d, device=device)
    squares = torch.zeros(k, device=device)
    for x, y in epoch.batches():
        centred = x - means[y]
        within += centred.T @ centred
        squares.index_add_(0, y, (centred * centred).sum(1))
    within /= shape.rows
    variances = squares / counts
    lap("second_pass_s")

    global_mean = means.mean(0)
    centred_means = means - global_mean
    between = centred_means.T @ centred_means / k
    nc1_pinv = torch.trace(within @ torch.linalg.pinv(between)) / k
    nc1_pinv = nc1_pinv.item()
    lap("pinv_s")

    norms = centred_means.norm(dim=1, keepdim=True)
    cosines = (centred_means / norms) @ (centred_means / norms).T
    off_diagonal = ~torch.eye(k, dtype=torch.bool, device=device)
    max_angle = (cosines + 1 / (k - 1)).abs()[off_diagonal].mean().item()
    coherence = cosines[off_diagonal].max().item()
    del cosines
    distances = torch.cdist(centred_means, centred_means) ** 2
    cdnv = (variances[:, None] + variances[None, :]) / (2 * distances)
    cdnv = cdnv[off_diagonal].mean().item()
    lap("pairs_s")
    metrics = {"nc1_pinv": nc1_pinv, "cdnv": cdnv, "max_angle": max_angle, "coherence": coherence}
    return metrics, seconds, time.perf_counter() - start


WAYS = (("index_add", index_add_sums), ("one_hot", one_hot_sums))


def why_not(error):
    """What became of a figure, by what it threw."""
    if isinstance(error, TimeLimit):
        return {"why": "the time limit has passed"}
    text = str(error).split("\n")[0].split(". ")[0]
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return {"why": "out of device memory: " + text}
    return {"why": f"{type(error).__name__}: {text}", "failed": True}


def timed(epoch, add_to_sums, runs):
    """The figure of some runs after a warm-up; as many as the time allows, one at least."""
    device = epoch.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    once = epoch.of_rows(min(epoch.shape.rows, epoch.shape.pool_rows))
    warm_up_s = measure(once, add_to_sums)[2]
    values = []
    try:
        for _ in range(runs):
            metrics, parts, seconds = measure(epoch, add_to_sums)
            values.append(seconds)
    except TimeLimit:
        if not values:
            raise
    figure = {"value": statistics.median(values), "runs": len(values), "warm": True}
    figure |= {"least": min(values), "most": max(values), "warm_up_s": warm_up_s}
    figure |= {"metrics": metrics, "parts": parts}
    if device.type == "cuda":
        figure["peak_device_bytes"] = torch.cuda.max_memory_allocated()
    return figure


def figures_of(shape, device, runs, deadline):
    """One figure for each way to sum by class; with `why` where it is missing."""
    epoch, error_of_epoch = None, None
    try:
        epoch = Epoch(shape, device, deadline)
    except Exception as error:  # one shape does not keep the others from running
        error_of_epoch = error
    for name, add_to_sums in WAYS:
        figure = {"name": f"torch/{shape.name}/{name}", "N": shape.rows, "d": shape.dim}
        figure |= {"K": shape.classes, "pool_rows": shape.pool_rows, "unit": "s"}
        try:
            if error_of_epoch is not None:
                raise error_of_epoch
            yield figure | timed(epoch, add_to_sums, runs)
        except Exception as error:
            yield figure | why_not(error)


def write(result, path):
    """To a file, whole at any time, or to standard output where there is none."""
    text = json.dumps(result, indent=1) + "\n"
    if path is None:
        sys.stdout.write(text)
        return
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_const", const="quick", dest="mode")
    mode.add_argument("--smoke", action="store_const", const="smoke", dest="mode")
    parser.add_argument("--limit", type=float, default=240, metavar="SECONDS")
    parser.add_argument("--output", metavar="FILE")
    options = parser.parse_args()
    kind = options.mode or "full"
    if torch is None:
        print("torch_baseline: there is no torch here", file=sys.stderr)
        return 3
    if kind != "smoke" and not torch.cuda.is_available():
        print("torch_baseline: torch sees no card", file=sys.stderr)
        return 1
    end = time.monotonic() + options.limit
    device = torch.device("cpu" if kind == "smoke" else "cuda")
    # As users have it: products of float32 without TF32 are torch's default.
    torch.backends.cuda.matmul.allow_tf32 = False
    result = {
        "mode": kind,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "card": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "tf32": False,
        "figures": [],
        "skipped": [],
    }
    shapes = SHAPES[kind]
    for number, shape in enumerate(shapes):
        now = time.monotonic()
        deadline = now + (end - now) / (len(shapes) - number)
        for figure in figures_of(shape, device, 2, deadline):
            print(figure["name"], figure.get("value", figure.get("why")), file=sys.stderr)
            result["skipped" if "why" in figure else "figures"].append(figure)
            if options.output:
                write(result, options.output)
    if not options.output:
        write(result, None)
    return 1 if any(figure.get("failed") for figure in result["skipped"]) else 0


if __name__ == "__main__":
    sys.exit(main())
