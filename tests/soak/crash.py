"""Kills the server and its clients at random moments, over and over, and compares the reports.

    crash.py [--kills N] [--seed S] [--durability fsync|os] [--log-budget BYTES]
    crash.py --failpoints [--once] [--durability fsync|os]

Several runs are streamed at once, each of several ranks, by processes of their own. Whatever dies
is started again. At the end of each round every report must equal that of an undisturbed server to
the last bit, and no batch that was acknowledged may be asked for again (worker.py looks).
With --log-budget logs are written anew all the while, and nc4, which is over other samples then, is
left out of the comparison.
--failpoints goes through the places that the server's code names instead (server/log/failpoint.h),
and kills it at each of them: when it comes there first, and, without --once, second and fifth.
"""

import argparse
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
from google.protobuf.json_format import MessageToDict
from ncscope.v1 import service_pb2, types_pb2

ROOT = Path(__file__).resolve().parents[2]
SERVER = Path(os.environ.get("NCSCOPE_SERVER_BIN", ROOT / "build" / "bin" / "ncscope-server"))
# Series of a round: run, split, ranks. "test" waits for "train" of its run; rank 0 of "s" is a
# state, that of "c".
SERIES = [
    ("a", "train", 3),
    ("b", "train", 2),
    ("b", "test", 2),
    ("c", "train", 1),
    ("s", "train", 2),
]
FAILPOINTS = [
    "log.create",
    "log.write",
    "log.write.half",
    "log.enter",
    "log.sync",
    "log.synced",
    "log.remove",
    "log.renamed",
    "log.removed",
    "batch.logged",
    "batch.applied",
    "classifier.taken",
    "close.logged",
    "close.marked",
    "report.computed",
    "report.state_stored",
    "report.committed",
    "report.published",
    "state.stored",
    "state.logged",
]
# Of logs that are written anew: with a budget of so many bytes, and batches that exceed it.
BUDGET, BUDGET_ROWS = 1_500_000, 400
BUDGET_FAILPOINTS = [
    "checkpoint.create",
    "checkpoint.write",
    "checkpoint.sync",
    "checkpoint.rename",
    "checkpoint.renamed",
    "checkpoint.done",
]


STARTED = []  # processes, to be ended with this one


class Server:
    def __init__(self, folder, durability, log_budget=0):
        self.folder, self.durability, self.log_budget = folder, durability, log_budget
        self.process, self.address_file = None, folder / "address"
        self.listen = "127.0.0.1:0"
        folder.mkdir(parents=True)

    def start(self, failpoints=None):
        ports = self.folder / "ports"
        ports.unlink(missing_ok=True)
        environment = dict(os.environ)
        environment.pop("NCSCOPE_FAILPOINTS", None)
        if failpoints:
            environment["NCSCOPE_FAILPOINTS"] = failpoints
        command = [SERVER, "--listen", self.listen, "--http", "", "--backend", "cpu"]
        command += ["--data", self.folder / "data", "--port-file", ports]
        command += ["--durability", self.durability, "--log-budget", str(self.log_budget)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        STARTED.append(self.process)
        deadline = time.monotonic() + 60
        while not (ports.exists() and ports.read_text().endswith("\n")):
            if self.process.poll() is not None:
                return False  # at a failpoint, perhaps
            if time.monotonic() > deadline:
                raise SystemExit(f"the server does not start:\n{self.log()}")
            time.sleep(0.005)
        address = ports.read_text().split("grpc ")[1].split()[0]
        if self.listen != address:  # the first time: later workers read it all the while
            self.listen = address
            self.address_file.write_text(address, encoding="utf-8")
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            raise SystemExit(f"the server ended with {self.process.returncode}:\n{self.log()}")

    def whole_log(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def log(self):
        return self.whole_log()[-6000:]

    def report(self, run, split):
        with grpc.insecure_channel(self.address_file.read_text()) as channel:
            method = channel.unary_unary(
                "/ncscope.v1.NeuralCollapseService/GetReport",
                request_serializer=service_pb2.GetReportRequest.SerializeToString,
                response_deserializer=service_pb2.GetReportResponse.FromString,
            )
            key = types_pb2.SeriesKey(run=run, epoch=0, split=split)
            request = service_pb2.GetReportRequest(key=key, wait=True)
            report = method(request, timeout=60, wait_for_ready=True).report
        report.ClearField("created_at")
        report.key.run = ""
        return MessageToDict(report)

    def state(self, run):
        """The merged state of an epoch, as messages that contribute it."""
        with grpc.insecure_channel(self.address_file.read_text()) as channel:
            method = channel.unary_stream(
                "/ncscope.v1.NeuralCollapseService/GetStatistics",
                request_serializer=service_pb2.GetStatisticsRequest.SerializeToString,
                response_deserializer=service_pb2.GetStatisticsResponse.FromString,
            )
            key = types_pb2.SeriesKey(run=run, epoch=0, split="train")
            data = b""
            for part in method(service_pb2.GetStatisticsRequest(key=key), timeout=60):
                request = service_pb2.PutStatisticsRequest()
                which = part.WhichOneof("part")
                getattr(request, which).CopyFrom(getattr(part, which))
                message = request.SerializeToString()
                data += struct.pack("<q", len(message)) + message
            return data


class Round:
    """One set of series, streamed to its end."""

    def __init__(self, server, folder, name, series=SERIES):
        self.server, self.name, self.series = server, name, series
        self.notes = folder / "notes"
        self.notes.mkdir(exist_ok=True)
        self.waiting = [
            (f"{run}{name}", split, rank, world)
            for run, split, world in series
            for rank in range(world)
        ]
        self.running = {}

    def may_start(self, task):
        """A test split comes once its train split is being streamed: else it would not wait."""
        run, split, _, _ = task
        notes = (path for path in self.notes.glob(f"{run}-train-*") if path.stat().st_size > 0)
        return split == "train" or any(notes)

    def start_workers(self):
        tasks, self.waiting = self.waiting, []
        for task in tasks:
            if not self.may_start(task):
                self.waiting.append(task)
                continue
            command = [sys.executable, Path(__file__).with_name("worker.py")]
            command += [self.server.address_file, self.notes, *map(str, task)]
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            self.running[task] = process
            STARTED.append(process)

    def collect(self):
        """Notes which workers have ended; those that did not finish are started again."""
        for task, process in list(self.running.items()):
            if process.poll() is None:
                continue
            del self.running[task]
            errors = process.stderr.read()
            if process.returncode not in (0, 3, -signal.SIGKILL):
                raise SystemExit(f"{task}: {errors}\n{self.server.log()}")
            if process.returncode != 0:
                self.waiting.append(task)
        self.start_workers()

    def done(self):
        return not self.running and not self.waiting

    def kill_one(self, generator):
        if self.running:
            generator.choice(list(self.running.values())).kill()

    def reports(self):
        return {
            f"{run} {split}": self.server.report(f"{run}{self.name}", split)
            for run, split, _ in self.series
        }

    def finish(self):
        self.start_workers()
        while not self.done():
            self.collect()
            time.sleep(0.02)
        return self.reports()


def check_equal(expected, got, log, over_all=True):
    if not over_all:
        expected = {series: without_nc4(report) for series, report in expected.items()}
        got = {series: without_nc4(report) for series, report in got.items()}
    for series, report in expected.items():
        if report == got[series]:
            continue
        fields = [
            k for k in report.keys() | got[series].keys() if report.get(k) != got[series].get(k)
        ]
        for field in fields:
            print(series, field, json.dumps(report.get(field)), json.dumps(got[series].get(field)))
        raise SystemExit(f"the report of {series} is another one\n{log}")


def undisturbed(folder, durability):
    server = Server(folder / "undisturbed", durability)
    server.start()
    Round(server, folder, "state", [("c", "train", 1)]).finish()
    (folder / "notes" / "state").write_bytes(server.state("cstate"))
    reports = Round(server, folder, "u").finish()
    server.stop()
    return reports


def without_nc4(report):
    """What does not depend on which samples are looked at twice."""
    kept = {key: value for key, value in report.items() if key not in ("nc4", "classGroups")}
    dynamics = dict(report.get("dynamics", {}))
    dynamics.pop("terminalPhaseEpoch", None)
    dynamics["metrics"] = [
        m for m in dynamics.get("metrics", []) if not m["metric"].startswith("nc4.")
    ]
    kept["dynamics"] = dynamics
    kept["warnings"] = [w for w in report.get("warnings", []) if w["code"] != "nc4_sampled"]
    columns = ("agreement", "nccAccuracy", "classifierAccuracy")
    kept["classes"] = [
        {key: value for key, value in one.items() if key not in columns}
        for one in report["classes"]
    ]
    return kept


def disturbed_round(server, folder, name, generator, kills_left, failpoint=None):
    """Runs one round; returns how many kills there were, and the reports."""
    kills = 0
    one = Round(server, folder, name)
    one.start_workers()
    next_kill = time.monotonic() + generator.uniform(0, 0.8)
    while not one.done():
        one.collect()
        if server.process.poll() is not None:  # at its failpoint
            if server.process.returncode != -signal.SIGKILL:
                raise SystemExit(
                    f"the server ended with {server.process.returncode}\n{server.log()}"
                )
            kills += 1
            while not server.start():
                kills += 1
        if failpoint is None and kills < kills_left and time.monotonic() >= next_kill:
            kills += 1
            if generator.random() < 0.7:
                server.kill()
                server.start()
            else:
                one.kill_one(generator)
            next_kill = time.monotonic() + generator.uniform(0, 0.8)
        time.sleep(0.005)
    if server.process.poll() is not None:
        kills += 1
        server.start()
    return kills, one.reports()


def check_no_logs(folder):
    left = list((folder / "data" / "log").iterdir())
    if left:
        raise SystemExit(f"logs are left: {left}")


def crash(folder, options):
    generator = random.Random(options.seed)
    budget = options.log_budget
    if budget:
        os.environ["NCSCOPE_CRASH_ROWS"] = str(BUDGET_ROWS)
    expected = undisturbed(folder, options.durability)
    server = Server(folder / "server", options.durability, budget)
    server.start()
    kills = rounds = 0
    while kills < options.kills:
        more, got = disturbed_round(server, folder, f"r{rounds}", generator, options.kills - kills)
        check_equal(expected, got, server.log(), over_all=not budget)
        kills += more
        rounds += 1
        print(
            f"{kills} kills, {rounds} rounds of {len(SERIES)} epochs: all reports equal", flush=True
        )
    server.stop()
    check_no_logs(server.folder)
    if budget and "is written anew" not in server.whole_log():
        raise SystemExit("no log was written anew")


def failpoints(folder, options):
    generator = random.Random(options.seed)
    expected = undisturbed(folder, options.durability)
    server = Server(folder / "server", options.durability)
    for point in FAILPOINTS:
        if options.durability == "fsync" or point not in ("log.enter", "log.sync", "log.synced"):
            kill_at(server, folder, point, expected, generator, options)
    os.environ["NCSCOPE_CRASH_ROWS"] = str(BUDGET_ROWS)
    expected = undisturbed(folder / "budget", options.durability)
    server = Server(folder / "budget" / "server", options.durability, BUDGET)
    for point in BUDGET_FAILPOINTS:
        kill_at(server, folder / "budget", point, expected, generator, options)


def kill_at(server, folder, point, expected, generator, options):
    for at in (1,) if options.once else (1, 2, 5):
        server.start(f"{point}=kill@{at}")
        name = f"{point}{at}".replace(".", "_")
        kills, got = disturbed_round(server, folder, name, generator, 0, point)
        check_equal(expected, got, server.log(), over_all=server.log_budget == 0)
        print(
            f"{point}@{at}: {'killed' if kills else 'not reached'}, all reports equal",
            flush=True,
        )
        if kills == 0 and at == 1:
            raise SystemExit(f"the server never came to {point}")
        server.stop()
        check_no_logs(server.folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", choices=["fsync", "os"], default="fsync")
    parser.add_argument("--log-budget", type=int, default=0)
    parser.add_argument("--failpoints", action="store_true")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as place:
        try:
            (failpoints if options.failpoints else crash)(Path(place), options)
        finally:
            for process in STARTED:
                if process.poll() is None:
                    process.kill()
                    process.wait()


if __name__ == "__main__":
    main()
