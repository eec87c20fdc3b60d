#!/usr/bin/env python3
"""Measures neural collapse the usual way, with PyTorch, for ncscope to be compared with.

Two passes over the batches: class sums and counts, then the covariance of centred features as X^T X
in float32; torch.linalg.pinv of S_B; cosines of class means and cdnv over the K x K grid. Features
wait in pinned host memory, as for ncscope_bench_cuda, whose shapes these are.

    torch_baseline.py [--quick | --smoke] [--limit SECONDS] [--output FILE]

Writes JSON. What does not fit the card's memory is recorded as that. Exit status: 0 done, 1 failed,
3 there is no torch.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass

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


def figures_of(shape, device, runs, deadline):
    """One figure for each way to sum by class; the reasons for those that are missing."""
    epoch = Epoch(shape, device, deadline)
    for name, add_to_sums in (("index_add", index_add_sums), ("one_hot", one_hot_sums)):
        figure = {"name": f"torch/{shape.name}/{name}", "N": shape.rows, "d": shape.dim}
        figure |= {"K": shape.classes, "pool_rows": shape.pool_rows, "unit": "s"}
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        values, why = [], ""
        try:
            for _ in range(runs + 1):
                metrics, parts, seconds = measure(epoch, add_to_sums)
                values.append(seconds)
        except TimeLimit:
            why = "the time limit has passed"
        except torch.cuda.OutOfMemoryError as error:
            why = "out of device memory: " + str(error).split(". ")[0]
        if not values:
            yield figure | {"why": why}
            continue
        # The first run is a warm-up, and counts only where there was no time for another.
        figure["warm"] = len(values) > 1
        values = values[1:] or values
        figure |= {"value": statistics.median(values), "runs": len(values)}
        figure |= {"least": min(values), "most": max(values), "metrics": metrics, "parts": parts}
        if device.type == "cuda":
            figure["peak_device_bytes"] = torch.cuda.max_memory_allocated()
        yield figure


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
    deadline = time.monotonic() + options.limit
    device = torch.device("cpu" if kind == "smoke" else "cuda")
    # As users have it: products of float32 without TF32 are torch's default.
    torch.backends.cuda.matmul.allow_tf32 = False
    figures, skipped = [], []
    for shape in SHAPES[kind]:
        for figure in figures_of(shape, device, 2, deadline):
            print(figure["name"], figure.get("value", figure.get("why")), file=sys.stderr)
            (skipped if "why" in figure else figures).append(figure)
    result = {
        "mode": kind,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "card": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "tf32": False,
        "figures": figures,
        "skipped": skipped,
    }
    text = json.dumps(result, indent=1)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as out:
            out.write(text + "\n")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
