"""A server process with small budgets, and what it takes of memory."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = Path(os.environ.get("NCSCOPE_SERVER_BIN", ROOT / "build" / "bin" / "ncscope-server"))
MIB = 1 << 20
# Budgets; the second is the smallest there is.
RECEIVE, NETWORK, STATE = 32 * MIB, 64 * MIB, 64 * MIB
SLACK = 100_000_000


class LoadError(Exception):
    """The server failed a scenario."""


def wait_until(holds, seconds, what):
    """Returns once it holds."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise LoadError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Server:
    """ncscope-server on loopback; `descriptors` limits its open files."""

    def __init__(self, folder, *options, state=STATE, descriptors=None):
        self.folder, self.options, self.descriptors = folder, options, descriptors
        self.state = state
        # --receive-memory bounds batches that wait, and as much that waits to be used again.
        self.quota = 2 * RECEIVE + NETWORK + state
        folder.mkdir(parents=True)

    def __enter__(self):
        ports = self.folder / "ports"
        command = [SERVER, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--backend", "cpu"]
        command += ["--data", self.folder / "data", "--port-file", ports, "--drain", "1"]
        command += ["--receive-memory", str(RECEIVE), "--network-memory", str(NETWORK)]
        command += ["--state-memory", str(self.state), *self.options]
        if self.descriptors:
            limit = f'ulimit -n {self.descriptors}; exec "$@"'
            command = ["sh", "-c", limit, "sh", *command]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not (ports.exists() and ports.read_text().endswith("\n")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LoadError(f"the server does not start:\n{self.log()}")
            time.sleep(0.01)
        words = ports.read_text().split()
        self.address, self.http = words[words.index("grpc") + 1], words[words.index("http") + 1]
        self.idle, _ = self.memory()
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if kind is not None:
            print(self.log(), file=sys.stderr)
        elif status != 0:
            raise LoadError(f"the server ended with {status}:\n{self.log()}")

    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-6000:]

    def memory(self):
        """Resident bytes: now, and at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
        if len(found) != 2:
            raise LoadError(f"the server ended with {self.process.wait()}:\n{self.log()}")
        return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024

    @contextlib.contextmanager
    def bounded(self):
        """Fails where the peak is more than quota and slack above the server that did nothing yet.

        Gives a function that returns by how much it is above.
        """
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # a new peak
        yield lambda: self.memory()[1] - self.idle
        used = self.memory()[1] - self.idle
        if used > self.quota + SLACK:
            raise LoadError(f"{used} bytes above an idle server: expected {self.quota} + {SLACK}")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def gauge(self, name):
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=30) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found.group(1))
