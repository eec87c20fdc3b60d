#!/usr/bin/env python3
"""ncscope beside what is usually done with PyTorch, on the processor, on the same samples.

    torch_comparison.py [--program build/bin/ncscope] [--shapes NAME...] [--runs R] [--output FILE]

The usual way: one-hot class sums, a second pass for the covariance, torch.linalg.pinv of S_B, K x K
grids of cosines, distances and products, then scores of every sample against classifier and class
means. Features are in memory before its clock starts; ncscope's runs from the start of `ncscope
report` on a file that the page cache holds, to the end of the process, with all that a report has.
Both use all cores. Each run is a process of its own, for its peak memory; medians. "without NC4"
leaves out the scores: `ncscope stats`, then `ncscope merge`.

Needs numpy and torch: python3 -m venv build/torch && build/torch/bin/pip install numpy torch
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPES = {
    "10_classes": (50_000, 512, 10),
    "1000_classes": (50_000, 2048, 1000),
    "30000_classes": (100_000, 1024, 30_000),
}
BATCH = 8192


def make_samples(folder, rows, dim, classes):
    generator = np.random.default_rng(1)
    means = generator.standard_normal((classes, dim), np.float32)
    labels = generator.permutation(np.arange(rows) % classes)
    features = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (rows, dim))
    for first in range(0, rows, BATCH):
        y = labels[first : first + BATCH]
        noise = generator.standard_normal((len(y), dim), np.float32)
        features[first : first + len(y)] = means[y] + 0.5 * noise
    features.flush()
    np.save(folder / "y.npy", labels)
    np.save(folder / "w.npy", means - means.mean(0))
    np.save(folder / "b.npy", np.zeros(classes, np.float32))


def usual_way(folder, classes):
    """Prints metrics and the seconds of each part."""
    import torch

    x, y, w, b = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in "xywb")
    k, rows = classes, len(x)
    torch.rand(512, 512) @ torch.rand(512, 512)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    parts, start = {}, time.perf_counter()

    def lap(name):
        nonlocal start
        now = time.perf_counter()
        parts[name] = now - start
        start = now

    sums = torch.zeros(k, x.shape[1])
    for first in range(0, rows, BATCH):
        hot = torch.nn.functional.one_hot(y[first : first + BATCH], k).float()
        sums += hot.T @ x[first : first + BATCH]
    del hot
    counts = torch.bincount(y, minlength=k)
    means = sums / counts[:, None]
    lap("class sums")
    within = torch.zeros(x.shape[1], x.shape[1])
    variances = torch.zeros(k)
    for first in range(0, rows, BATCH):
        label = y[first : first + BATCH]
        centred = x[first : first + BATCH] - means[label]
        within += centred.T @ centred
        variances.index_add_(0, label, (centred * centred).sum(1))
    within /= rows
    variances /= counts
    lap("covariance")
    m = means - means.mean(0)
    metrics = {"nc1.pinv": torch.trace(within @ torch.linalg.pinv(m.T @ m / k)).item() / k}
    metrics["nc1.quotient"] = (torch.trace(within) / ((m * m).sum() / k)).item()
    lap("pinv")

    etf = (torch.eye(k) - 1 / k) / (k - 1) ** 0.5
    off = ~torch.eye(k, dtype=torch.bool)
    for name, rows_of in (("means", m), ("classifier", w - w.mean(0))):
        norms = rows_of.norm(dim=1, keepdim=True)
        metrics[f"nc2.{name}.equinorm"] = (norms.std(correction=0) / norms.mean()).item()
        cosines = (rows_of / norms) @ (rows_of / norms).T
        metrics[f"nc2.{name}.max_angle"] = (cosines[off] + 1 / (k - 1)).abs().mean().item()
        metrics[f"nc2.{name}.equiangular"] = cosines[off].std(correction=0).item()
        metrics[f"nc2.{name}.coherence"] = cosines[off].max().item()
        del cosines
        gram = rows_of @ rows_of.T
        metrics[f"nc2.{name}.etf_error"] = (gram / gram.norm() - etf).norm().item()
        del gram
    distances = torch.cdist(m, m) ** 2
    cdnv = (variances[:, None] + variances[None, :]) / (2 * distances)
    metrics["nc1.cdnv"] = cdnv[off].mean().item()
    del distances, cdnv
    product = w @ m.T
    metrics["nc3.structure_error"] = (product / product.norm() - etf).norm().item()
    del product
    metrics["nc3.distance"] = (w / w.norm() - m / m.norm()).norm().item()
    lap("grids")

    agree = right = 0
    for first in range(0, rows, BATCH):
        batch, label = x[first : first + BATCH], y[first : first + BATCH]
        by_classifier = (batch @ w.T + b).argmax(1)
        by_center = torch.cdist(batch, means).argmin(1)
        agree += (by_classifier == by_center).sum().item()
        right += (by_center == label).sum().item()
    metrics["nc4.agreement"], metrics["nc4.ncc_accuracy"] = agree / rows, right / rows
    lap("decisions")
    print(
        json.dumps(
            {
                "parts": parts,
                "metrics": metrics,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "before_kib": before,
            }
        )
    )


def run(command, **options):
    """Standard output, seconds and peak memory in KiB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        why = "was killed, for want of memory perhaps" if os.WIFSIGNALED(status) else "failed"
        raise SystemExit(f"{' '.join(map(str, command))}: {why}, after {seconds:.0f} s")
    return output, seconds, usage.ru_maxrss


def usual_figures(folder, classes):
    script = [sys.executable, __file__, "--usual-way", str(folder), str(classes)]
    output, _, peak = run(script)
    result = json.loads(output)
    result["seconds"] = sum(result["parts"].values())
    result["without_nc4"] = result["seconds"] - result["parts"]["decisions"]
    result["peak_kib"] = peak
    return result


def our_figures(program, folder, classes):
    files = ["--features", folder / "x.npy", "--labels", folder / "y.npy"]
    files += ["--weight", folder / "w.npy", "--bias", folder / "b.npy"]
    files += ["--num-classes", str(classes)]
    common = ["--backend", "cpu", "--format", "json"]
    report, seconds, peak = run([program, "report", *files, *common])
    state = folder / "state.ncstats"
    _, first, stats_peak = run([program, "stats", *files, "--backend", "cpu", "-o", state])
    _, second, merge_peak = run([program, "merge", state, *common])
    return {
        "seconds": seconds,
        "without_nc4": first + second,
        "peak_kib": max(peak, stats_peak, merge_peak),
        "metrics": json.loads(report),
    }


def at(report, path):
    for name in path.split("."):
        report = report[name]
    return report


def mib(kib):
    return round(kib / 1024)


def compare(program, name, runs):
    rows, dim, classes = SHAPES[name]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as place:
        folder = Path(place)
        make_samples(folder, rows, dim, classes)
        ours = [our_figures(program, folder, classes) for _ in range(runs)]
        usual = [usual_figures(folder, classes) for _ in range(runs)]
    figure = {"name": name, "N": rows, "d": dim, "K": classes, "runs": runs}
    for key in ("seconds", "without_nc4", "peak_kib"):
        for who, results in (("ncscope", ours), ("torch", usual)):
            figure[f"{who}_{key}"] = statistics.median(result[key] for result in results)
        figure[f"{key}_ratio"] = figure[f"torch_{key}"] / figure[f"ncscope_{key}"]
    figure["torch_parts"] = usual[-1]["parts"]
    figure["torch_before_kib"] = usual[-1]["before_kib"]
    figure["torch"], figure["threads"] = usual[-1]["torch"], usual[-1]["threads"]
    figure["differences"] = {
        path: abs(at(ours[-1]["metrics"], path) - value)
        for path, value in usual[-1]["metrics"].items()
    }
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="build/bin/ncscope")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--usual-way", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.usual_way:
        usual_way(Path(options.usual_way[0]), int(options.usual_way[1]))
        return
    figures = []
    for name in options.shapes:
        figure = compare(options.program, name, options.runs)
        figures.append(figure)
        print(
            f"{name}: {figure['torch_seconds']:.1f} s / {figure['ncscope_seconds']:.1f} s = "
            f"{figure['seconds_ratio']:.2f}; without NC4 {figure['torch_without_nc4']:.1f} / "
            f"{figure['ncscope_without_nc4']:.1f} = {figure['without_nc4_ratio']:.2f}; memory "
            f"{mib(figure['torch_peak_kib'])} / {mib(figure['ncscope_peak_kib'])} MiB = "
            f"{figure['peak_kib_ratio']:.1f}",
            flush=True,
        )
        print("  torch:", ", ".join(f"{k} {v:.2f}" for k, v in figure["torch_parts"].items()))
        print("  largest difference of a metric:", max(figure["differences"].values()), flush=True)
        if options.output:
            Path(options.output).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
