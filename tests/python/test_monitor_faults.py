"""Servers, helpers, disks and trainers that fail: training goes on, nothing is lost silently."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import ncscope
import numpy as np
import pytest
from ncscope import errors

from trainers import (
    CLASSES,
    DIM,
    Program,
    expected,
    is_running,
    measure,
    same_numbers,
    samples_of,
    wait_until,
)

MIB = 1 << 20


def options(tmp_path, **others):
    return ncscope.MonitorOptions(spool_dir=tmp_path / "spool", **others)


def monitor_for(address, tmp_path, run="run", **others):
    return ncscope.Monitor(
        run=run, server=address, num_classes=CLASSES, options=options(tmp_path, **others)
    )


def sync(folder, *arguments):
    """Runs `ncscope sync`; returns status, what it printed and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "ncscope", "sync", folder, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def dropped_of(caplog):
    """The samples that were dropped, as the log says."""
    return int(re.search(r"(\d+) samples were dropped", caplog.text).group(1))


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


class BlackHole:
    """Takes connections and what comes over them, and never answers."""

    def __init__(self, bytes_per_second=None):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._rate = bytes_per_second
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with contextlib.suppress(OSError):
            while connection.recv(1 if self._rate else 1 << 16):
                if self._rate:
                    time.sleep(1 / self._rate)


@pytest.fixture
def black_hole():
    hole = BlackHole()
    yield hole
    hole.close()


@pytest.mark.parametrize("what", ["absent", "black_hole"])
def test_a_server_that_does_not_answer(what, black_hole, own_server, tmp_path):
    address = free_address() if what == "absent" else black_hole.address
    made = monitor_for(address, tmp_path)
    futures = [measure(made, epoch) for epoch in range(3)]
    begin = time.monotonic()
    kept = made.close()
    assert time.monotonic() - begin < 11
    for future in futures:
        with pytest.raises(errors.Unavailable, match="`ncscope sync "):
            future.result(1)
    # Later, to a server that is there.
    status, out, err = sync(kept, "--server", own_server.address)
    assert (status, out.count(": sent"), err) == (0, 3, "")
    assert not (tmp_path / "spool").exists()
    with ncscope.Client(own_server.address) as client:
        for epoch in range(3):
            same_numbers(client.report("run", epoch), expected(client, "plain", epoch))


def test_a_server_that_comes_late(own_server, tmp_path):
    own_server.stop()
    made = monitor_for(own_server.address, tmp_path)
    future = measure(made, 0)
    time.sleep(1)
    assert not future.done()
    own_server.start(own_server.address)
    assert future.result(30).data.samples == 600
    assert made.close() is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_restarted_within_an_epoch(how, own_server, tmp_path):
    made = monitor_for(own_server.address, tmp_path)
    rows = 200_000  # several messages of 1 MiB and more
    features, labels, weight = samples_of(0, rows=rows)
    with made.epoch(0) as epoch:
        for part in range(4):
            for row in range(part * rows // 4, (part + 1) * rows // 4, 500):
                epoch.observe(features[row : row + 500], labels[row : row + 500])
            if part < 3:
                time.sleep(0.3)
                own_server.stop(how)
                own_server.start(own_server.address)
        epoch.classifier(weight)
    report = epoch.future.result(60)
    made.close()
    with ncscope.Client(own_server.address) as client:
        same_numbers(report, expected(client, "plain", 0, rows=rows))


def test_a_server_that_is_killed_while_it_reports(own_server, tmp_path):
    made = monitor_for(own_server.address, tmp_path)
    for epoch in range(6):
        future = measure(made, epoch, rows=50_000)
        time.sleep(0.02 * epoch)
        own_server.stop(signal.SIGKILL)
        own_server.start(own_server.address)
        assert future.result(60).data.samples == 50_000
    assert made.close() is None


def test_a_helper_that_is_killed(server, client, run_name, tmp_path, caplog):
    made = monitor_for(server.address, tmp_path, run_name)
    features, labels, weight = samples_of(0, rows=150_000)
    with made.epoch(0) as epoch:
        for row in range(0, 150_000, 500):
            if row in (50_000, 100_000):
                os.kill(made.helper_pid, signal.SIGKILL)
                wait_until(lambda: "starting it again" in caplog.text)
                caplog.clear()
            epoch.observe(features[row : row + 500], labels[row : row + 500])
        epoch.classifier(weight)
    report = epoch.future.result(60)
    same_numbers(report, expected(client, run_name + ".plain", 0, rows=150_000))
    assert made.close() is None


def test_a_helper_that_dies_each_time(server, run_name, tmp_path, caplog):
    made = monitor_for(server.address, tmp_path, run_name)
    with made.epoch(0) as epoch:
        for _ in range(4):
            pid = made.helper_pid
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: made.helper_pid != pid)
            epoch.observe(*samples_of(0)[:2])
    assert made.helper_pid is None
    with pytest.raises(errors.Unavailable, match="helper process ended"):
        epoch.future.result(5)
    assert "nothing is measured any more" in caplog.text
    with pytest.raises(errors.Unavailable, match="no helper process"):
        measure(made, 1).result(5)
    begin = time.monotonic()
    assert made.close() is None
    assert time.monotonic() - begin < 2


def test_a_helper_that_hangs(server, run_name, tmp_path, caplog):
    made = monitor_for(server.address, tmp_path, run_name, queue_bytes=64 * MIB)
    block = np.zeros((20_000, DIM), np.float32), np.zeros(20_000, np.int64)
    os.kill(made.helper_pid, signal.SIGSTOP)
    try:
        with made.epoch(0) as epoch:
            for _ in range(100):  # 208 MB, for which there is no room
                epoch.observe(*block)
        assert "dropped" in caplog.text
    finally:
        os.kill(made.helper_pid, signal.SIGCONT)
    report = epoch.future.result(60)
    assert report.partial
    assert report.data.samples > 0
    assert report.data.samples + dropped_of(caplog) == 2_000_000
    made.close()


def test_a_helper_that_hangs_at_the_end(server, run_name, tmp_path):
    made = monitor_for(server.address, tmp_path, run_name)
    measure(made, 0).result(30)
    pid = made.helper_pid
    os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    made.close(timeout=2)
    assert time.monotonic() - begin < 4
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not is_running(pid))


def test_memory_and_disk_that_are_full(own_server, tmp_path, caplog):
    own_server.stop()
    made = monitor_for(own_server.address, tmp_path, queue_bytes=64 * MIB, spool_bytes=16 * MIB)
    block = np.ones((20_000, DIM), np.float32), np.arange(20_000) % CLASSES
    with made.epoch(0) as epoch:
        for _ in range(100):
            epoch.observe(*block)
            time.sleep(0.005)
        assert "no room for more samples" in caplog.text
    assert caplog.text.count("no room for more samples") == 1

    def on_disk():
        files = [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files)

    wait_until(lambda: on_disk() > 8 * MIB)
    time.sleep(0.5)
    assert on_disk() <= 16 * MIB + 4096
    own_server.start(own_server.address)
    report = epoch.future.result(60)
    assert report.partial
    assert report.data.samples + dropped_of(caplog) == 2_000_000
    assert made.close() is None
    assert not (tmp_path / "spool").exists()


def test_disk_takes_what_memory_does_not(own_server, tmp_path):
    own_server.stop()
    made = monitor_for(own_server.address, tmp_path, queue_bytes=64 * MIB, patience=30)
    features, labels, weight = samples_of(0, rows=1_500_000)  # 156 MB
    with made.epoch(0) as epoch:
        for row in range(0, 1_500_000, 10_000):
            epoch.observe(features[row : row + 10_000], labels[row : row + 10_000])
        epoch.classifier(weight)
    own_server.start(own_server.address)
    report = epoch.future.result(90)
    assert not report.partial
    assert made.close() is None
    with ncscope.Client(own_server.address) as client:
        same_numbers(report, expected(client, "plain", 0, rows=1_500_000))


def test_a_spool_folder_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "spool").write_text("a file")
    made = monitor_for(free_address(), tmp_path)
    future = measure(made, 0)
    made.close(timeout=4)
    assert "could not be kept whole" in caplog.text
    with pytest.raises(errors.Unavailable):
        future.result(1)


def test_a_slow_server_costs_no_memory_beyond_the_bound(tmp_path):
    hole = BlackHole(bytes_per_second=1)
    program = Program(
        """
        def memory(key):
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith(key))
        options = ncscope.MonitorOptions(spool_dir="spool", spool_bytes=64 << 20)
        monitor = ncscope.Monitor(run="run", server=sys.argv[1], num_classes=5, options=options)
        block = np.ones((20_000, 24), np.float32), np.arange(20_000) % 5
        before = memory("VmRSS")
        with monitor.epoch(0) as epoch:
            for _ in range(500):  # 1 GB
                epoch.observe(*block)
                time.sleep(0.002)
        say(grown=(memory("VmHWM") - before) << 10, helper=monitor.helper_pid)
        sys.stdin.readline()
        """,
        hole.address,
        folder=tmp_path,
    )
    said = program.next()
    with open(f"/proc/{said['helper']}/smaps_rollup") as rollup:
        lines = dict(line.split(":", 1) for line in rollup.read().splitlines()[1:])
    helper = 1024 * int(lines["Private_Dirty"].split()[0])
    program.process.kill()
    wait_until(lambda: not is_running(said["helper"]), 30)
    program.process.wait()
    hole.close()
    assert said["grown"] <= 256 * MIB + 16 * MIB
    assert helper <= 128 * MIB  # an interpreter, and 32 MiB of samples on their way


def test_a_trainer_that_is_killed_leaves_nothing_running(server, client, run_name, tmp_path):
    program = Program(
        """
        monitor = ncscope.Monitor(run=sys.argv[2], server=sys.argv[1], num_classes=5)
        trainers.measure(monitor, 0)
        features, labels, _ = trainers.samples_of(1, rows=300_000)
        with monitor.epoch(1) as epoch:
            epoch.observe(features, labels)
            say(helper=monitor.helper_pid)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        server.address,
        run_name,
        folder=tmp_path,
    )
    helper = program.next()["helper"]
    assert program.process.wait() == -signal.SIGKILL
    wait_until(lambda: not is_running(helper), 20)
    # What was complete is reported; what was not waits for a higher attempt.
    assert client.report(run_name, 0).data.samples == 600
    (series,) = client.series(run_name).series
    assert (series.key.epoch, series.closed_ranks) == (1, 0)
    assert series.missing[0].batches >= 3
    assert not (tmp_path / "ncscope-spool").exists()
    # The training that starts again replaces it.
    with monitor_for(server.address, tmp_path, run_name) as again:
        assert measure(again, 1).result(30).attempt == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_training(number, server, client, run_name, tmp_path):
    program = Program(
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        monitor = ncscope.Monitor(run=sys.argv[2], server=sys.argv[1], num_classes=5)
        trainers.measure(monitor, 0)
        say(helper=monitor.helper_pid)
        time.sleep(60)
        """,
        server.address,
        run_name,
        folder=tmp_path,
    )
    helper = program.next()["helper"]
    for pid in (helper, program.process.pid):
        os.kill(pid, number)
    program.process.wait(timeout=30)
    wait_until(lambda: not is_running(helper), 15)
    assert client.report(run_name, 0).data.samples == 600


def test_ranks_of_which_one_dies_and_starts_again(server, client, run_name, tmp_path):
    body = """
        rank, attempt = int(sys.argv[3]), int(sys.argv[4])
        monitor = ncscope.Monitor(run=sys.argv[2], server=sys.argv[1], num_classes=5,
                                  rank=rank, world_size=4, attempt=attempt)
        features, labels, weight = trainers.samples_of(0, rank=rank)
        with monitor.epoch(0) as epoch:
            epoch.observe(features, labels)
            epoch.classifier(weight)
            say(rank=rank)
            if rank == 3 and attempt == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        report = epoch.future.result(60) if rank == 0 and attempt else None
        monitor.close(timeout=5)
        say(samples=report.data.samples if report else None, attempt=attempt)
        """
    for attempt in (0, 1):
        folders = [tmp_path / f"{attempt}-{rank}" for rank in range(4)]
        for folder in folders:
            folder.mkdir()
        programs = [
            Program(body, server.address, run_name, rank, attempt, folder=folder)
            for rank, folder in enumerate(folders)
        ]
        for rank, program in enumerate(programs):
            program.next()
            if rank == 3 and attempt == 0:
                program.process.wait()
        said = [p.finish()[0] for p in programs[: 4 if attempt else 3]]
    assert said[0] == {"samples": 2400, "attempt": 1}
    assert client.report(run_name, 0).attempt == 1


def test_training_has_the_same_losses_whatever_the_server_does(own_server, black_hole, tmp_path):
    body = """
        rng = np.random.default_rng(3)
        monitor = ncscope.Monitor(run="run", server=sys.argv[1], num_classes=5,
                                  disabled=sys.argv[1] == "none")
        weight, losses = np.zeros((5, 24)), []
        for epoch in range(8):
            features, labels, _ = trainers.samples_of(epoch)
            with monitor.epoch(epoch) as measured:
                for row in range(0, 600, 60):
                    x, y = features[row:row + 60], labels[row:row + 60]
                    scores = x @ weight.T + 0.01 * rng.standard_normal((60, 5))
                    p = np.exp(scores - scores.max(axis=1, keepdims=True))
                    p /= p.sum(axis=1, keepdims=True)
                    losses.append(float(-np.log(p[np.arange(60), y]).mean()))
                    p[np.arange(60), y] -= 1
                    weight -= 0.1 / 60 * p.T @ x
                    measured.observe(x, y)
                measured.classifier(weight)
            say(epoch=epoch)
            time.sleep(0.2)
        monitor.close(timeout=3)
        say(losses=losses)
        """
    losses = {}
    for name in ("none", "there", "killed", "absent", "black_hole"):
        address = {"none": "none", "absent": free_address(), "black_hole": black_hole.address}.get(
            name, own_server.address
        )
        folder = tmp_path / name
        folder.mkdir()
        program = Program(body, address, folder=folder)
        for _ in range(4):
            program.next()
        if name == "killed":
            own_server.stop(signal.SIGKILL)
        losses[name] = program.finish()[-1]["losses"]
    assert len(losses["none"]) == 80
    for name, values in losses.items():
        assert values == losses["none"], name


def test_a_helper_that_is_killed_when_all_is_there_but_the_end(server, client, run_name, tmp_path):
    made = monitor_for(server.address, tmp_path, run_name)
    features, labels, weight = samples_of(0, rows=60_000)
    with made.epoch(0) as epoch:
        epoch.observe(features, labels)
        for row in range(0, 60_000, 10_000):
            epoch.observe(features[row : row + 10_000], labels[row : row + 10_000])
        # Until the server has all that was handed over, and the helper holds none of it.
        wait_until(lambda: len(made._sender._live) == 0)
        pid = made.helper_pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: made.helper_pid not in (pid, None))
        epoch.classifier(weight)
    assert epoch.future.result(30).data.samples == 120_000
    # And one that has been told all.
    future = measure(made, 1)
    os.kill(made.helper_pid, signal.SIGKILL)
    assert future.result(30).data.samples == 600
    assert client.report(run_name, 1).attempt == 0
    made.close()


def test_helpers_that_are_killed_while_samples_are_on_disk(own_server, tmp_path):
    own_server.stop()
    made = monitor_for(own_server.address, tmp_path, queue_bytes=64 * MIB, patience=30)
    features, labels, weight = samples_of(0, rows=800_000)  # 83 MB
    with made.epoch(0) as epoch:
        for row in range(0, 800_000, 10_000):
            epoch.observe(features[row : row + 10_000], labels[row : row + 10_000])
            if row in (400_000, 700_000):
                wait_until(lambda: (tmp_path / "spool").exists())
                pid = made.helper_pid
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda pid=pid: made.helper_pid not in (pid, None))
        epoch.classifier(weight)
    own_server.start(own_server.address)
    time.sleep(0.5)
    os.kill(made.helper_pid, signal.SIGKILL)
    report = epoch.future.result(90)
    assert not report.partial
    assert made.close() is None
    assert not (tmp_path / "spool").exists()
    with ncscope.Client(own_server.address) as client:
        same_numbers(report, expected(client, "plain", 0, rows=800_000))


def test_the_same_epoch_twice_without_a_server(own_server, tmp_path):
    made = monitor_for(free_address(), tmp_path)
    for rows in (150_000, 150_001):
        measure(made, 0, rows=rows, batch=5000)
    kept = made.close(timeout=4)
    for _ in range(2):  # the first is there, and the second is another's then
        status, out, err = sync(kept, "--server", own_server.address)
    assert (status, out, err.count("is reported already")) == (1, "", 1)
    with ncscope.Client(own_server.address) as client:
        same_numbers(client.report("run", 0), expected(client, "plain", 0, rows=150_000))


def test_several_monitors_end_together(tmp_path):
    program = Program(
        """
        for number in range(3):
            monitor = ncscope.Monitor(run=f"run{number}", server=sys.argv[1], num_classes=5)
            trainers.measure(monitor, 0)
        say(ends=time.monotonic())
        """,
        free_address(),
        folder=tmp_path,
    )
    ends = program.next()["ends"]
    program.process.wait(timeout=30)
    assert time.monotonic() - ends < 11
    wait_until(lambda: len(list((tmp_path / "ncscope-spool").glob("*/*/close"))) == 3, 10)


def test_classifiers_that_nobody_takes_are_bounded(tmp_path):
    made = monitor_for(free_address(), tmp_path, queue_bytes=64 * MIB, spool_bytes=MIB)
    weight = np.zeros((CLASSES, 1_000_000), np.float32)  # 20 MB
    futures = []
    for number in range(8):
        with made.epoch(number) as epoch:
            epoch.observe(np.zeros((2, 1_000_000), np.float32), [0, 1])
            epoch.classifier(weight)
        futures.append(epoch.future)
    wait_until(lambda: any(each.done() for each in futures))
    failed = [each.exception() for each in futures if each.done()]
    assert all(isinstance(each, errors.ResourceExhausted) for each in failed)
    made.close(timeout=4)


# What is left on disk.


@pytest.fixture
def kept(tmp_path):
    """Folder of a training of two epochs without a server, and a third that it did not end."""
    made = monitor_for(free_address(), tmp_path)
    for epoch in range(2):
        measure(made, epoch)
    unfinished = made.epoch(2)
    unfinished.__enter__()
    unfinished.observe(*samples_of(2, rows=100_000)[:2])
    made._sender.begin_close(4)  # close() would say that epoch 2 is not wanted
    return made._sender.close(4)


def test_epochs_that_were_not_ended_wait_for_partial(kept, own_server, tmp_path):
    from pathlib import Path

    status, out, err = sync(tmp_path / "spool", "--server", own_server.address)
    assert status == 1
    assert out.count(": sent") == 2
    assert "was not finished; --partial sends it" in err
    assert [p.name for p in Path(kept).iterdir() if p.is_dir()] == [
        "000002-epoch2-train-features-rank0"
    ]
    status, out, err = sync(kept, "--server", own_server.address, "--partial")
    assert (status, out.count(": sent"), err) == (0, 1, "")
    with ncscope.Client(own_server.address) as client:
        report = client.report("run", 2)
        assert report.partial
        assert report.data.samples > 0
    status, _, err = sync(kept)
    assert (status, "expected a folder of a monitor's samples" in err) == (2, True)


def test_a_damaged_record_is_said_and_nothing_is_deleted(kept, own_server, tmp_path):
    from pathlib import Path

    path = next(Path(kept).glob("*-epoch1-*/batches-*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (next(Path(kept).glob("*-epoch0-*")) / "close").write_bytes(b"no record at all, says the test")
    status, out, err = sync(kept, "--server", own_server.address, "--timeout", 30)
    assert (status, out) == (1, "")
    assert "is damaged" in err
    assert "expected a record" in err
    assert path.read_bytes() == data


def test_a_server_that_has_the_epoch_already(kept, own_server):
    with ncscope.Client(own_server.address) as client:
        expected(client, "run", 0, rows=500)
        status, out, err = sync(kept, "--server", own_server.address)
        assert (status, out.count(": sent")) == (1, 1)
        assert "is reported already" in err
        assert client.report("run", 0).data.samples == 500
    status, out, err = sync(kept, "--server", own_server.address)
    assert "is reported already" in err


def test_sync_without_a_server_keeps_all(kept):
    status, out, err = sync(kept, "--timeout", 2)
    assert (status, out, err.count("not sent in time")) == (1, "", 2)
    status, out, err = sync(kept, "--timeout", 2)
    assert err.count("not sent in time") == 2


def test_a_training_that_still_runs(tmp_path):
    made = monitor_for(free_address(), tmp_path, queue_bytes=64 * MIB)
    with made.epoch(0) as epoch:
        for _ in range(12):
            epoch.observe(np.ones((20_000, DIM), np.float32), np.zeros(20_000, int))
        wait_until(lambda: (tmp_path / "spool").exists())
        status, out, err = sync(tmp_path / "spool", "--timeout", 2)
        assert (status, out) == (1, "")
        assert "still runs" in err
    made.close(timeout=3)
