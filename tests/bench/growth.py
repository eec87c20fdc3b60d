#!/usr/bin/env python3
"""How the cost of an epoch grows with N, d and K: the Growth benchmarks, exponents, a drawing.

    growth.py [--program build/bin/ncscope_bench_kernels] [--json FILE] [--svg FILE]

--json: a result of the program that is there already, else where to put it. An exponent is the
slope of the least-squares line through log seconds over the last three points of a sweep, the
largest; the plot has all of them.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

PARTS = {
    "GrowthPass": "pass",
    "GrowthReport": "report",
    "GrowthDecisions": "decisions",
    "GrowthDecisionsCollapsed": "collapsed",
}
COLORS = {"pass": "#1f77b4", "report": "#d62728", "decisions": "#2ca02c", "collapsed": "#9467bd"}
BASES = {"N": {"d": 256, "K": 100}, "d": {"N": 20_000, "K": 100}, "K": {"N": 50_000, "d": 128}}


def measured(program, path):
    if path is None or not path.exists():
        path = path or Path("growth.json")
        command = [program, "--benchmark_filter=Growth", f"--benchmark_out={path}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    runs = []
    for entry in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]:
        name, *arguments = entry["name"].split("/")
        shape = dict(a.split(":") for a in arguments if a[:2] in ("N:", "d:", "K:"))
        shape = {key: int(value) for key, value in shape.items()}
        runs.append((PARTS[name], shape, entry["real_time"] / 1000))
    return runs


def sweep(runs, part, variable):
    fixed = BASES[variable]
    points = {
        shape[variable]: seconds
        for name, shape, seconds in runs
        if name == part and all(shape[key] == value for key, value in fixed.items())
    }
    return sorted(points.items())


def slope(points):
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum(
        (x - mean_x) ** 2 for x in xs
    )


def panel(runs, variable, left, out):
    """One log-log panel of 260 x 220, its plot from (left, 30)."""
    lines = {part: sweep(runs, part, variable) for part in COLORS}
    values = [x for points in lines.values() for x, _ in points]
    low, high = math.log10(min(values)), math.log10(max(values))
    bottom, top = -3, 3

    def place(x, y):
        return (
            left + 220 * (math.log10(x) - low) / (high - low),
            230 - 200 * (math.log10(y) - bottom) / (top - bottom),
        )

    fixed = ", ".join(f"{key} = {value:,}" for key, value in BASES[variable].items())
    out.append(f'<text x="{left + 110}" y="20" text-anchor="middle">{fixed}</text>')
    for power in range(bottom, top + 1):
        y = 230 - 200 * (power - bottom) / (top - bottom)
        out.append(f'<path d="M{left} {y:.1f}h220" stroke="#ddd"/>')
        label = f"{10.0**power:g}"
        out.append(f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    labelled = left - 100.0
    for x in sorted({x for points in lines.values() for x, _ in points}):
        at = place(x, 1)[0]
        if at < labelled + 30:
            continue
        labelled = at
        label = f"{x / 1000:g}k" if x >= 10_000 else f"{x}"
        out.append(f'<text x="{at:.1f}" y="246" text-anchor="middle">{label}</text>')
    out.append(f'<text x="{left + 110}" y="264" text-anchor="middle">{variable}</text>')
    for part, points in lines.items():
        spots = [place(x, y) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        out.append(f'<path d="M{path}" fill="none" stroke="{COLORS[part]}" stroke-width="2"/>')
        out += (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLORS[part]}"/>' for x, y in spots
        )


def drawing(runs):
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 300" font-family="sans-serif" '
        'font-size="11">',
        '<rect width="900" height="300" fill="#fff"/>',
    ]
    for i, variable in enumerate(BASES):
        panel(runs, variable, 60 + 290 * i, out)
    for i, (part, color) in enumerate(COLORS.items()):
        x = 60 + 110 * i
        out.append(f'<path d="M{x} 285h20" stroke="{color}" stroke-width="2"/>')
        out.append(f'<text x="{x + 25}" y="289">{part}</text>')
    out.append('<text x="510" y="289">seconds; each slope is an exponent</text></svg>')
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="build/bin/ncscope_bench_kernels")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    runs = measured(options.program, options.json)
    print(f"{'exponent in':12}" + "".join(f"{variable:>28}" for variable in BASES))
    for part in COLORS:
        cells = []
        for variable in BASES:
            points = sweep(runs, part, variable)
            cells.append(f"{slope(points[-3:]):.2f} ({points[0][1]:.3g} to {points[-1][1]:.3g} s)")
        print(f"{part:12}" + "".join(f"{cell:>28}" for cell in cells))
    if options.svg:
        options.svg.write_text(drawing(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
