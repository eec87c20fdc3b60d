"""Measures ingest beside raw TCP and Arrow Flight: separate processes, loopback, interleaved.

Each round sends each load by each way, one after the other; the figures are medians over the
rounds. A warm-up round goes before. Run it by run.sh.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[2] / "build"
MIB = 1 << 20
# What gRPC 1.51 leaves off: a receiver is woken when a frame is there, not at each of its packets.
TUNED = {"GRPC_EXPERIMENTS": "tcp_frame_size_tuning,tcp_rcv_lowat"}


class Program:
    """A process that answers lines with JSON."""

    def __init__(self, *command, environment=None):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.ready = json.loads(self.process.stdout.readline())

    def ask(self, line=""):
        """Returns the answer to a line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        """Ends it by the end of its input."""
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
            return
        self.process.kill()


class WholeServer:
    """ncscope-server as users run it, on the processor."""

    def __init__(self, folder, *arguments):
        ports = Path(folder, "ports")
        self.process = subprocess.Popen(
            [
                BUILD / "bin" / "ncscope-server",
                *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--backend", "cpu"),
                *("--data", Path(folder, "data"), "--port-file", ports, "--log-level", "warn"),
                *arguments,
            ]
        )
        while not ports.exists():
            time.sleep(0.05)
            if self.process.poll() is not None:
                sys.exit("ncscope-server ended")
        self.ready = {"port": int(ports.read_text().split("\n")[0].rsplit(":", 1)[1])}

    def ask(self, _=""):
        """Returns its processor time."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        peak = Path(f"/proc/{self.process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        ticks = int(fields[11]) + int(fields[12])
        return {"cpu": ticks / os.sysconf("SC_CLK_TCK"), "peak_kib": int(peak)}

    def end(self):
        """Stops it."""
        self.process.terminate()
        self.process.wait(30)


class Way:
    """A server and a client of it."""

    def __init__(self, server, client, share=1.0):
        self.server, self.client = server, client
        self.share = share  # of the bytes of a run: slow ways send less

    def run(self, streams, batch_bytes, total, dim=None):
        """Returns GB/s, and processor seconds per GB of client and server."""
        count = max(2, int(total * self.share) // streams // batch_bytes)
        before = self.server.ask()["cpu"]
        sent = self.client.ask(f"{streams} {batch_bytes} {count} {dim or ''}")
        after = self.server.ask()["cpu"]
        gigabytes = sent["bytes"] / 1e9
        return (gigabytes / sent["seconds"], sent["cpu"] / gigabytes, (after - before) / gigabytes)


def start(stack, folder, whole, flight):
    """Starts all programs; returns the ways by name."""

    def begin(program):
        stack.callback(program.end)
        return program

    def bench(name, *arguments, **options):
        return begin(Program(BUILD / "bin" / name, *arguments, **options))

    def python(script, *arguments):
        return begin(Program(sys.executable, HERE / script, *arguments))

    raw = bench("ncscope_bench_raw_tcp", "server")
    sink = bench("ncscope_bench_ingest_sink")
    sink_address = f"127.0.0.1:{sink.ready['port']}"
    client = "ncscope_bench_ingest_client"
    ways = {
        "raw TCP": Way(raw, bench("ncscope_bench_raw_tcp", "client", raw.ready["port"])),
        "raw TCP, copied": Way(raw, bench("ncscope_bench_raw_tcp", "copy", raw.ready["port"])),
        "C++": Way(sink, bench(client, "own", sink_address)),
        "C++, copied": Way(sink, bench(client, "copy", sink_address)),
        "Python": Way(sink, python("python_client.py", sink_address), share=0.5),
    }
    tuned = bench("ncscope_bench_ingest_sink", environment=TUNED)
    tuned_address = f"127.0.0.1:{tuned.ready['port']}"
    ways["C++, tuned"] = Way(tuned, bench(client, "own", tuned_address, environment=TUNED))
    if flight:
        served = python("flight.py", "server")
        port = served.ready["port"]
        ways["Flight"] = Way(served, python("flight.py", "client", port))
        ways["Flight, copied"] = Way(served, python("flight.py", "copy", port))
    if whole:
        server = begin(WholeServer(folder))
        address = f"127.0.0.1:{server.ready['port']}"
        ways["whole server"] = Way(server, bench(client, "own", address), share=0.25)
    return ways


def measure(ways, loads, rounds, total, limit):
    """Returns {(way, load): figures of each round}; fewer rounds where `limit` seconds are over."""
    figures = {(way, load): [] for load in loads for way in ways}
    begin = time.monotonic()
    for number in range(rounds + 1):
        spent = time.monotonic() - begin
        if number > 1 and spent * (number + 1) / number > limit:
            print(f"ingest: {number - 1} rounds instead of {rounds}: {limit} s", file=sys.stderr)
            break
        for load in loads:
            for name, way in ways.items():
                result = way.run(load[0], load[1], total)
                if number > 0:
                    figures[name, load].append(result)
    return figures


def summary(figures, ways, loads):
    """Returns a row for each load and way."""
    rows = []
    for load in loads:
        medians = {
            name: [statistics.median(column) for column in zip(*figures[name, load], strict=True)]
            for name in ways
        }
        for name, (rate, client, server) in medians.items():
            rates = [result[0] for result in figures[name, load]]
            row = {
                "streams": load[0],
                "batch_mib": load[1] // MIB,
                "way": name,
                "gb_per_s": rate,
                "slowest": min(rates),
                "fastest": max(rates),
                "runs": len(rates),
                "to_raw": rate / medians["raw TCP"][0],
                "to_raw_copied": rate / medians["raw TCP, copied"][0],
                "client_cpu_s_per_gb": client,
                "server_cpu_s_per_gb": server,
            }
            if "Flight" in medians:
                row["to_flight"] = rate / medians["Flight"][0]
                row["to_flight_copied"] = rate / medians["Flight, copied"][0]
            row["to_cpp"] = rate / medians["C++"][0]
            rows.append(row)
    return rows


def machine():
    """Returns what the figures depend on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "congestion_control": control,
        "load_before": os.getloadavg()[0],
    }


def print_table(rows):
    """Prints the rows as the README has them."""
    print(
        "| streams x MiB | way | GB/s (slowest to fastest) | to raw; copied | to Flight; copied "
        "| to C++ | CPU s/GB, client + server |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        flight = "-"
        if "to_flight" in row:
            flight = f"{row['to_flight']:.2f}; {row['to_flight_copied']:.2f}"
        cells = [
            f"{row['streams']} x {row['batch_mib']}",
            row["way"],
            f"{row['gb_per_s']:.2f} ({row['slowest']:.2f} to {row['fastest']:.2f})",
            f"{row['to_raw']:.2f}; {row['to_raw_copied']:.2f}",
            flight,
            f"{row['to_cpp']:.2f}",
            f"{row['client_cpu_s_per_gb']:.2f} + {row['server_cpu_s_per_gb']:.2f}",
        ]
        print(f"| {' | '.join(cells)} |")


def main():
    """Measures what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--batch-mib", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--total-mib", type=int, default=768, help="sent by a run, all streams")
    parser.add_argument("--limit", type=float, default=600, help="seconds, for all rounds")
    parser.add_argument("--ways", nargs="+", help="only these, and raw TCP")
    parser.add_argument("--no-whole", action="store_true", help="not the whole server")
    parser.add_argument("--json", type=Path, default=BUILD / "ingest.json")
    options = parser.parse_args()
    try:
        import pyarrow

        flight = pyarrow.__version__
    except ImportError:
        flight = None
        print("ingest: no pyarrow here, so no Arrow Flight", file=sys.stderr)
    # Programs keep what they send until the size of a batch changes.
    loads = [(n, mib * MIB) for mib in options.batch_mib for n in options.streams]
    about = machine() | {"pyarrow": flight}
    with tempfile.TemporaryDirectory(dir=BUILD) as folder, contextlib.ExitStack() as stack:
        ways = start(stack, folder, not options.no_whole, flight is not None)
        if options.ways:
            wanted = {"raw TCP", "raw TCP, copied", "C++", *options.ways}
            ways = {name: way for name, way in ways.items() if name in wanted}
        figures = measure(ways, loads, options.rounds, options.total_mib * MIB, options.limit)
        peaks = {name: way.server.ask()["peak_kib"] // 1024 for name, way in ways.items()}
    rows = summary(figures, ways, sorted(loads))
    about["load_after"] = os.getloadavg()[0]
    about["server_peak_mib"] = peaks
    options.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    print(json.dumps(about))
    print_table(rows)


if __name__ == "__main__":
    main()
