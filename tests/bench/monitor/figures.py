"""Medians, quartiles and ratios of what was timed, printed and for JSON."""

import numpy as np


def summary(values):
    """Median and quartiles."""
    return [float(each) for each in np.quantile(values, (0.5, 0.25, 0.75))]


def ratio_of(times, way, other, column):
    """Median and quartiles of the ratio within a round; column 0 is wall time, 1 CPU."""
    return summary(times[way][:, column] / times[other][:, column])


def report_on(name, threads, times, others, observed):
    """Prints what was found; returns it for JSON."""
    calls, copies, size = observed
    result = {
        "workload": name,
        "threads": threads,
        "ms_per_step": {way: summary(each[:, 0] * 1e3) for way, each in times.items()},
        "cpu_ms_per_step": {way: summary(each[:, 1] * 1e3) for way, each in times.items()},
        "ratio": {f"{p}/{q}": ratio_of(times, p, q, 0) for p, q in ("ba", "dc", "ec")},
        "cpu_ratio": {f"{p}/{q}": ratio_of(times, p, q, 1) for p, q in ("ba", "dc", "ec")},
        "others_cpu_ms_per_step": dict(zip(("helper", "server"), others * 1e3, strict=True)),
        "bytes_per_step": size,
        "observe_us": [float(each) for each in np.quantile(calls * 1e6, (0.5, 0.99))],
        "copy_us": [float(each) for each in np.quantile(copies * 1e6, (0.5, 0.99))],
    }
    print(f"\n{name}, {threads} thread{'s' * (threads > 1)}: median (quartiles)")
    for way in times:
        wall, cpu = result["ms_per_step"][way], result["cpu_ms_per_step"][way]
        print(f"  {way}    {shown(wall)} ms a step, CPU {shown(cpu)} ms")
    for each in ("b/a", "d/c", "e/c"):
        print(f"  {each}  {shown(result['ratio'][each])}, CPU {shown(result['cpu_ratio'][each])}")
    helper, served = result["others_cpu_ms_per_step"].values()
    print(f"  d's others: CPU of the helper {helper:.3f}, of the server {served:.3f} ms a step")
    print(
        f"  observe of {size >> 10} KiB: p50 {result['observe_us'][0]:.0f}, p99 "
        f"{result['observe_us'][1]:.0f} us; copying these p50 {result['copy_us'][0]:.0f}, p99 "
        f"{result['copy_us'][1]:.0f} us",
        flush=True,
    )
    return result


def shown(values):
    """Median and quartiles as text."""
    return "{:.3f} ({:.3f} to {:.3f})".format(*values)
