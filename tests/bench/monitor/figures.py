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
    (calls, copies, size), (at_once, _, _) = observed
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
        "observe_at_once_us": [float(each) for each in np.quantile(at_once * 1e6, (0.5, 0.99))],
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
    each_us = (result[f"{what}_us"] for what in ("observe", "copy", "observe_at_once"))
    after, copy, at_once = ("p50 {:.0f}, p99 {:.0f} us".format(*each) for each in each_us)
    print(f"  {size >> 10} KiB after a step: observe {after}, a copy {copy}")
    print(f"  observe without a step between: {at_once}", flush=True)
    return result


def shown(values):
    """Median and quartiles as text."""
    return "{:.3f} ({:.3f} to {:.3f})".format(*values)
