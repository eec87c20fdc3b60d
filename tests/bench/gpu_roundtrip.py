"""The round trip of tests/gpu.sh: the same samples by the processor, by the card, and by a server.

The server is on the card too, and the numbers must agree.
"""

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import zipfile

# Products of features are rounded to float32 on the way, in another order.
TOLERANCE = {"exact": 1e-5, "fp64": 1e-9}
# What differs by nature.
IGNORED = {"device", "key", "created_at", "timing", "cutoff", "precision_floor", "run"}
# What only a server knows.
IGNORED |= {"attempt", "dynamics"}


def npy(descr, shape, data):
    """Bytes of a .npy file, without numpy."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def write_samples(path, rows, dim, classes):
    """Clusters about random means, and a classifier near those."""
    rng = random.Random(7)
    means = [[rng.gauss(0, 1) for _ in range(dim)] for _ in range(classes)]
    labels = [rng.randrange(classes) for _ in range(rows)]
    features = [m + rng.gauss(0, 0.3) for label in labels for m in means[label]]
    weight = [m + rng.gauss(0, 0.1) for mean in means for m in mean]
    bias = [rng.gauss(0, 0.1) for _ in range(classes)]
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(
            "features.npy", npy("<f4", (rows, dim), struct.pack(f"<{rows * dim}f", *features))
        )
        out.writestr("labels.npy", npy("<i8", (rows,), struct.pack(f"<{rows}q", *labels)))
        out.writestr(
            "weight.npy", npy("<f8", (classes, dim), struct.pack(f"<{classes * dim}d", *weight))
        )
        out.writestr("bias.npy", npy("<f8", (classes,), struct.pack(f"<{classes}d", *bias)))


def differences(path, one, other, tolerance):
    """Yields what differs by more, as texts."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            if key in IGNORED:
                continue
            if key not in one or key not in other:
                yield f"{path}.{key} is there once"
            else:
                yield from differences(f"{path}.{key}", one[key], other[key], tolerance)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{path}: {len(one)} and {len(other)} entries"
        for i, (a, b) in enumerate(zip(one, other, strict=False)):
            yield from differences(f"{path}[{i}]", a, b, tolerance)
    elif isinstance(one, float) or isinstance(other, float):
        # Values of metrics are near 1 or fractions of it: nothing below 1e-3 counts in full.
        if not abs(one - other) <= tolerance * max(abs(one), abs(other), 1e-3):
            yield f"{path}: {one!r} and {other!r}"
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def count_numbers(value):
    if isinstance(value, dict):
        return sum(count_numbers(v) for k, v in value.items() if k not in IGNORED)
    if isinstance(value, list):
        return sum(map(count_numbers, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Trip:
    def __init__(self, run, deadline):
        self.run = run
        self.deadline = deadline
        self.folder = run.logs / "roundtrip"
        # The server's data of an earlier run is none of this one.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.samples = self.folder / "samples.npz"
        self.checks = []
        # The processor's device only where it is asked for: no test's environment matters here.
        self.environment = {k: v for k, v in run.environment.items() if k != "NCSCOPE_BACKEND"}

    def check(self, name, ok, detail=""):
        self.checks.append({"name": name, "ok": bool(ok), "detail": detail})

    def cli(self, name, *arguments):
        """Output of the command line, "" where it failed, which is a failed check."""
        left = max(1, self.deadline - time.monotonic())
        try:
            done = subprocess.run(
                [self.run.program("ncscope"), *map(str, arguments)],
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=left,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.check(name, False, "the time limit passed")
            return ""
        (self.folder / f"{name}.log").write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            self.check(name, False, (done.stderr or done.stdout).strip()[-400:])
            return ""
        return done.stdout

    def report(self, name, *arguments):
        text = self.cli(name, "report", self.samples, "--format", "json", *arguments)
        return json.loads(text) if text else None

    def compare(self, name, one, other, math):
        if one is None or other is None:
            self.check(name, False, "a report is missing")
            return
        found = list(differences("report", one, other, TOLERANCE[math]))
        detail = "; ".join(found[:5]) or (
            f"{count_numbers(one)} numbers agree to {TOLERANCE[math]:g}"
        )
        self.check(name, not found, detail)

    def device(self, name, report):
        backend = (report or {}).get("device", {}).get("backend")
        self.check(name, backend == "cuda", json.dumps((report or {}).get("device", {})))

    def server(self, by_card):
        ports = self.folder / "ports"
        ports.unlink(missing_ok=True)
        command = [self.run.program("ncscope-server"), "--backend", "cuda"]
        command += ["--listen", "127.0.0.1:0", "--http", "", "--data", str(self.folder / "data")]
        with open(self.folder / "server.log", "wb") as log:
            server = subprocess.Popen(
                [*command, "--port-file", str(ports)],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            while time.monotonic() < self.deadline and server.poll() is None:
                if ports.exists() and ports.read_text().startswith("grpc "):
                    break
                time.sleep(0.05)
            else:
                log = (self.folder / "server.log").read_text(errors="replace")
                self.check("server_starts", False, log[-400:])
                return
            address = ports.read_text().split("\n")[0].removeprefix("grpc ")
            by_server = self.report(
                "by_server", "--server", address, "--run", "gpu", "--attempt", os.getpid()
            )
            self.device("server_uses_the_card", by_server)
            self.compare("server_against_card", by_card, by_server, "exact")
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
                try:
                    server.wait(15)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()
        self.check("server_stops", server.returncode == 0, f"exit status {server.returncode}")


def run(run_, deadline):
    """All checks, each {name, ok, detail}."""
    trip = Trip(run_, deadline)
    rows = 2500 if run_.smoke else 20_000
    write_samples(trip.samples, rows, 12 if run_.smoke else 96, 7 if run_.smoke else 20)
    text = trip.cli("doctor", "doctor")
    trip.check(
        "doctor_on_cuda", "on cuda" in text, text.strip()[-300:] if "on cuda" not in text else ""
    )
    by_processor = trip.report("by_processor", "--local", "--backend", "cpu")
    by_card = trip.report("by_card", "--local", "--backend", "cuda")
    trip.device("report_uses_the_card", by_card)
    trip.compare("card_against_processor", by_processor, by_card, "exact")
    if not run_.smoke:
        wide = ("--local", "--math", "fp64", "--backend")
        one, other = (
            trip.report("fp64_by_processor", *wide, "cpu"),
            trip.report("fp64_by_card", *wide, "cuda"),
        )
        trip.compare("card_against_processor_fp64", one, other, "fp64")
    trip.server(by_card)
    return trip.checks
