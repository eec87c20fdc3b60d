"""The real server for the tests that need one, and a name of its own for each test."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import ncscope
import pytest

ROOT = Path(__file__).resolve().parents[2]
# A default hides no failure: where the binaries must be there, a skip is one.
REQUIRED = os.environ.get("NCSCOPE_REQUIRE_BINARIES") == "1"


def binary(name, variable):
    """Returns a built program, or skips the test."""
    path = Path(os.environ.get(variable, ROOT / "build" / "bin" / name))
    if not path.is_file():
        (pytest.fail if REQUIRED else pytest.skip)(f"{path} is not built; {variable} names another")
    return path


class Server:
    """A server process with a data folder, on ports of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.address = None

    def start(self, listen="127.0.0.1:0", *options):
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = self.folder / "ports"
        ports.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    binary("ncscope-server", "NCSCOPE_SERVER_BIN"),
                    *("--listen", listen, "--http", "127.0.0.1:0"),
                    *("--data", self.folder / "data", "--port-file", ports, "--backend", "cpu"),
                    *("--drain", "1"),
                    *options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while not (ports.exists() and ports.read_text().strip()):
            assert self.process.poll() is None, f"the server ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"the server wrote no ports:\n{self.log()}"
            time.sleep(0.02)
        self.address = re.search(r"^grpc (\S+)$", ports.read_text(), re.MULTILINE).group(1)
        with ncscope.Client(self.address) as client:
            client.wait_ready(30)
        return self

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def log(self):
        return (self.folder / "log").read_text()[-4000:]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    assert running.process.poll() is None, f"the server ended during the tests:\n{running.log()}"
    assert running.stop() == 0


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may stop and start."""
    running = Server(tmp_path / "server").start()
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGKILL)


@pytest.fixture
def client(server):
    with ncscope.Client(server.address, timeout=30) as connected:
        yield connected


@pytest.fixture
def run_name(request):
    """A run that no other test uses."""
    name = f"{request.node.module.__name__}.{request.node.name}"
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[-100:]
