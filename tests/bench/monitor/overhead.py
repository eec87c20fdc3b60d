"""What a monitor costs a training step and an evaluation pass, on the models of the examples.

    build/venv-trainer/bin/python tests/bench/monitor/overhead.py --json build/overhead.json

Ways, in blocks of some steps that alternate within each round, in an order that changes:

    a  training, no monitor
    b  training, with a monitor whose hook is on and no epoch active
    c  an evaluation pass, no monitor
    d  the same within `monitor.epoch`, with a server on this machine
    e  the same with no server at the address

The pass of d and e includes the beginning and the end of its epoch; the report is waited for before
the next block, outside of the clock. Ratios are taken within a round; printed are the median and
the quartiles. CPU is that of the training's process, all threads; that of the helper process and
of the server is counted up to the report.
"""

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ncscope
import numpy as np
import torch

from figures import report_on
from workloads import WORKLOADS, head_of

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = "127.0.0.1:9"  # the port "discard", where nothing listens
# Of glibc: what a step frees stays with the process. Else the page faults of the steps' own
# temporaries, whose cost depends on who else runs, are most of the spread.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def server():
    """Yields address and process id of a server with a data folder of its own."""
    binary = os.environ.get("NCSCOPE_SERVER_BIN", ROOT / "build" / "bin" / "ncscope-server")
    with tempfile.TemporaryDirectory() as folder:
        ports = Path(folder) / "ports"
        process = subprocess.Popen(
            [
                *(binary, "--backend", "cpu", "--data", Path(folder) / "data"),
                *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--port-file", ports),
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            while not (ports.exists() and ports.read_text().strip()):
                if process.poll() is not None:
                    raise SystemExit(f"{binary} ended with status {process.returncode}")
                time.sleep(0.02)
            yield ports.read_text().split()[1], process.pid
        finally:
            process.terminate()
            process.wait()


def cpu_of(pid):
    """Processor seconds of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Ways:
    """The five ways of one workload; a call runs a block and returns (wall, CPU) seconds."""

    def __init__(self, workload, address, folder):
        self.workload = workload
        self.plain, self.hooked, self.alone = (workload.copy_model() for _ in range(3))
        self.optimizers = {m: workload.optimizer(m) for m in (self.plain, self.hooked)}
        options = ncscope.MonitorOptions(spool_dir=folder, exit_timeout=2.0)
        others = {"next_token": workload.next_token, "options": options, "strict": True}
        run = f"overhead-{time.time_ns()}"
        self.monitor = ncscope.Monitor(self.hooked, run=run, server=address, **others)
        self.lonely = ncscope.Monitor(self.alone, run=run, server=NOWHERE, **others)
        self.epochs = 0

    def a(self):
        """Training, no monitor."""
        return clocked(lambda: self.workload.train(self.plain, self.optimizers[self.plain]))

    def b(self):
        """Training, a monitor without an epoch."""
        return clocked(lambda: self.workload.train(self.hooked, self.optimizers[self.hooked]))

    def c(self):
        """A pass, no monitor."""
        self.plain.eval()
        return clocked(lambda: self.workload.evaluate(self.plain))

    def d(self):
        """A pass that is measured."""
        times, future = self._measured(self.monitor, self.hooked)
        report = future.result(60)
        assert not report.partial, "samples were dropped"
        return times

    def e(self):
        """A pass that is measured, without a server."""
        return self._measured(self.lonely, self.alone)[0]

    def close(self):
        """Ends both monitors."""
        self.monitor.close()
        logging.getLogger("ncscope").setLevel(logging.ERROR)  # of samples that were kept
        self.lonely.close()

    def _measured(self, monitor, model):
        model.eval()
        self.epochs += 1
        future = None

        def run():
            nonlocal future
            with monitor.epoch(self.epochs) as epoch:
                self.workload.evaluate(model, epoch.labels)
            future = epoch.future

        return clocked(run), future


def clocked(block):
    """Runs a block; returns wall and CPU seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    block()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure_steps(ways, rounds, server_pid):
    """Returns {way: [rounds, 2]}, wall and CPU seconds per step; and others' CPU per step of d."""
    workload = ways.workload
    steps = dict.fromkeys("ab", workload.training_steps)
    steps |= dict.fromkeys("cde", workload.evaluation_steps)
    found = {way: [] for way in steps}
    others = np.zeros(2)
    orders = ("abcde", "baecd", "abdec", "bacde", "abecd", "badec")
    for turn in range(-1, rounds):  # one to warm up
        for way in orders[turn % len(orders)]:
            pids = (ways.monitor.helper_pid, server_pid)
            before = np.array([cpu_of(pid) for pid in pids])
            times = np.array(getattr(ways, way)()) / steps[way]
            if turn >= 0:
                found[way].append(times)
                if way == "d":
                    others += [cpu_of(pid) for pid in pids] - before
    return {way: np.array(each) for way, each in found.items()}, others / rounds / steps["d"]


def measure_observe(ways, calls, after_step):
    """Returns seconds of `observe`, of a copy of the same bytes, [calls] each, and these bytes.

    `after_step`: each after a step of the plain model, as in a training, with what that left in
    caches; else one after the other.
    """
    workload, seen = ways.workload, []
    handle = head_of(ways.plain).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    workload.evaluate(ways.plain)
    handle.remove()
    batches = list(zip(seen, workload.evaluation, strict=False))
    room = np.empty(32 << 20, np.uint8)
    observed, copied, at = [], [], 0
    ways.epochs += 1
    with torch.no_grad(), ways.monitor.epoch(ways.epochs) as epoch:
        for call in range(calls):
            features, (x, labels) = batches[call % len(batches)]
            if after_step:
                ways.plain(x)
            features, source = features.clone(), features.clone().numpy().reshape(-1).view(np.uint8)
            begin = time.perf_counter()
            epoch.observe(features, labels)
            observed.append(time.perf_counter() - begin)
            at = 0 if at + len(source) > len(room) else at
            begin = time.perf_counter()
            room[at : at + len(source)] = source
            copied.append(time.perf_counter() - begin)
            at += len(source)
    assert not epoch.future.result(60).partial, "samples were dropped"
    return np.array(observed), np.array(copied), len(source)


def measure(given, threads):
    """Measures all workloads in this process; returns the results."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    results = []
    with server() as (address, pid), tempfile.TemporaryDirectory() as folder:
        for name in given.workloads:
            ways = Ways(WORKLOADS[name](), address, folder)
            try:
                times, others = measure_steps(ways, given.rounds, pid)
                observed = [measure_observe(ways, given.calls, after) for after in (True, False)]
            finally:
                ways.close()
            results.append(report_on(ways.workload.name, threads, times, others, observed))
    return results


def measure_in_child(given, threads):
    """Measures in a process with so many threads of OpenMP and of OpenBLAS."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results"
        command = [sys.executable, __file__, "--child", "--threads", threads, "--json", file]
        command += ["--rounds", given.rounds, "--calls", given.calls]
        command += ["--workloads", *given.workloads]
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        subprocess.run([*map(str, command)], env=os.environ | limits | KEEP_MEMORY, check=True)
        return json.loads(file.read_text())


def main():
    """Measures with each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", default=[*WORKLOADS], choices=WORKLOADS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="of torch")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--calls", type=int, default=500, help="of observe")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    results = []
    for threads in given.threads:
        if given.child:
            results += measure(given, threads)
        else:
            load = os.getloadavg()[0]
            print(f"torch {torch.__version__}, {os.cpu_count()} cores, load {load:.1f}", flush=True)
            results += measure_in_child(given, threads)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
