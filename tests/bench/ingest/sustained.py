"""Measures how fast samples become durable, beside the disk's own sequential write.

Each round writes the same amount of features in each way, one after the other, until a crash
cannot lose it; the figures are medians over the rounds. A warm-up round goes before. Run it by
run.sh: `run.sh sustained`.
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from ingest import BUILD, MIB, Program, Way, WholeServer, machine
from pipe import cpu_seconds

BLOCK_BYTES = 4 * MIB
DISK = "disk, one sync at the end"
DISK_SYNCED = "disk, synced all the while"


class Disk:
    """Writes a new file as a log grows, without anything else."""

    def __init__(self, folder, synced):
        self.path, self.synced = Path(folder, "disk"), synced
        self.blocks = [os.urandom(BLOCK_BYTES) for _ in range(4)]

    def run(self, total):
        """Returns GB/s, and processor seconds per GB: none of a client, then its own."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        count = total // BLOCK_BYTES
        written, ended = threading.Event(), threading.Event()

        def sync():
            # As the syncer of the logs: what comes during one sync is made safe by the next.
            while written.wait():
                written.clear()
                if ended.is_set():
                    return
                os.fdatasync(file)

        syncer = threading.Thread(target=sync)
        cpu, begin = cpu_seconds(), time.perf_counter()
        syncer.start()
        for i in range(count):
            block, done = memoryview(self.blocks[i % len(self.blocks)]), 0
            while done < BLOCK_BYTES:
                done += os.pwrite(file, block[done:], i * BLOCK_BYTES + done)
            if self.synced:
                written.set()
        ended.set()
        written.set()
        syncer.join()
        os.fdatasync(file)
        seconds = time.perf_counter() - begin
        cpu = cpu_seconds() - cpu
        os.close(file)
        self.path.unlink()
        gigabytes = count * BLOCK_BYTES / 1e9
        return gigabytes / seconds, 0.0, cpu / gigabytes


class Served:
    """A server and its one client, which waits until its batches are durable."""

    def __init__(self, way, options, logs=None):
        self.way, self.options, self.logs = way, options, logs

    def run(self, total):
        """Returns what Way.run does, a GB being one of features, without labels."""
        o = self.options
        rate, client, server = self.way.run(o.streams, o.batch_mib * MIB, total, o.dim)
        share = 4 * o.dim / (4 * o.dim + 8)
        # Nothing of this run is left to the next one.
        while self.logs and any(self.logs.iterdir()):
            time.sleep(0.01)
        return rate * share, client / share, server / share


def start(stack, folder, options):
    """Starts all programs; returns the ways by name."""

    def begin(program):
        stack.callback(program.end)
        return program

    def client(mode, server):
        address = f"127.0.0.1:{server.ready['port']}"
        return begin(Program(BUILD / "bin" / "ncscope_bench_ingest_client", mode, address))

    def served(server, mode, logs=None):
        return Served(Way(server, client(mode, server)), options, logs)

    def whole(durability):
        place = Path(folder, durability)
        place.mkdir()
        server = begin(WholeServer(place, "--durability", durability))
        return served(server, "durable", place / "data" / "log")

    sink = BUILD / "bin" / "ncscope_bench_ingest_sink"
    sink_logs = Path(folder, "sink")
    sink_logs.mkdir()
    return {
        DISK: Disk(folder, synced=False),
        DISK_SYNCED: Disk(folder, synced=True),
        "transport": served(begin(Program(sink)), "own"),
        "transport and log": served(begin(Program(sink, sink_logs)), "durable", sink_logs),
        "whole server, os": whole("os"),
        "whole server, fsync": whole("fsync"),
    }


def touch_memory(folder, mib):
    """Fills free memory with a file that goes before it is on the disk.

    A virtual machine gives free memory back, and it is slow to come again: every way finds as much.
    """
    block = bytes(MIB)
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(mib):
            file.write(block)


def measure(ways, folder, options):
    """Returns the figures of each round, by way; fewer rounds where the limit is over."""
    figures = {name: [] for name in ways}
    begin = time.monotonic()
    for number in range(options.rounds + 1):
        spent = time.monotonic() - begin
        if number > 1 and spent * (number + 1) / number > options.limit:
            print(f"sustained: {number - 1} rounds: {options.limit} s are over", file=sys.stderr)
            break
        names = list(ways)
        random.Random(number).shuffle(names)
        for name in names:
            os.sync()
            touch_memory(folder, options.total_mib)
            result = ways[name].run(options.total_mib * MIB)
            if number > 0:
                figures[name].append(result)
    return figures


def summary(figures):
    """Returns a row for each way; ratios are medians over the rounds."""
    rows = []
    for name, results in figures.items():
        row = {"way": name, "runs": len(results)}
        columns = zip(*results, strict=True)
        for key, column in zip(
            ("gb_per_s", "client_cpu_s_per_gb", "server_cpu_s_per_gb"), columns, strict=True
        ):
            row[key] = statistics.median(column)
        rates = [result[0] for result in results]
        row |= {"slowest": min(rates), "fastest": max(rates)}
        for key, disk in (("to_disk", DISK), ("to_disk_synced", DISK_SYNCED)):
            of_disk = [result[0] for result in figures[disk]]
            row[key] = statistics.median(
                [rate / other for rate, other in zip(rates, of_disk, strict=True)]
            )
        rows.append(row)
    return rows


def print_table(rows):
    """Prints the rows as the README has them."""
    print(
        "| way | GB/s (slowest to fastest) | to disk: one sync; synced all the while "
        "| CPU s/GB, client + server |"
    )
    print("|---|---|---|---|")
    for row in rows:
        cells = [
            row["way"],
            f"{row['gb_per_s']:.2f} ({row['slowest']:.2f} to {row['fastest']:.2f})",
            f"{row['to_disk']:.2f}; {row['to_disk_synced']:.2f}",
            f"{row['client_cpu_s_per_gb']:.2f} + {row['server_cpu_s_per_gb']:.2f}",
        ]
        print(f"| {' | '.join(cells)} |")


def main():
    """Measures what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--batch-mib", type=int, default=4)
    parser.add_argument("--dim", type=int, default=16, help="d; the sums take d^2 a sample")
    parser.add_argument("--total-mib", type=int, default=4096, help="written by a run")
    parser.add_argument("--limit", type=float, default=900, help="seconds, for all rounds")
    parser.add_argument("--ways", nargs="+", help="only these, and the disk")
    parser.add_argument("--json", type=Path, default=BUILD / "sustained.json")
    options = parser.parse_args()
    about = machine() | {key: value for key, value in vars(options).items() if key != "json"}
    with tempfile.TemporaryDirectory(dir=BUILD) as folder, contextlib.ExitStack() as stack:
        ways = start(stack, folder, options)
        if options.ways:
            wanted = {DISK, DISK_SYNCED, *options.ways}
            ways = {name: way for name, way in ways.items() if name in wanted}
        rows = summary(measure(ways, folder, options))
    about["load_after"] = os.getloadavg()[0]
    options.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    print(json.dumps(about))
    print_table(rows)


if __name__ == "__main__":
    main()
