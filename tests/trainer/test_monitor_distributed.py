"""Trainings of four ranks over gloo: each streams its own samples, and no call is collective."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import ncscope
import pytest
import torch

WORLD = 4
PROGRAM = Path(__file__).parent / "distributed_training.py"


def start(address, run, mode, folder, attempt=0, dies_in=-1):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    out = []
    for rank in range(WORLD):
        where = folder / f"{attempt}-{rank}"
        where.mkdir()
        environment = {
            "RANK": str(rank),
            "WORLD_SIZE": str(WORLD),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        out.append(
            subprocess.Popen(
                [sys.executable, PROGRAM, address, run, mode, str(attempt), str(dies_in)],
                cwd=where,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=(where / "errors").open("wb"),
                text=True,
            )
        )
    return out


def finish(processes, folder, attempt=0):
    said = []
    for rank, process in enumerate(processes):
        text, _ = process.communicate(timeout=120)
        errors = (folder / f"{attempt}-{rank}" / "errors").read_text()
        assert process.returncode == 0, errors
        said.append(json.loads(text.splitlines()[-1]))
    return said


def kill(processes):
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


HAS_FSDP = torch.__version__ >= "2.1"


@pytest.mark.parametrize(
    "mode",
    [
        "ddp",
        *(
            pytest.param(
                mode,
                marks=pytest.mark.skipif(not HAS_FSDP, reason="this torch has it on GPUs only"),
            )
            for mode in ("fsdp", "fsdp2")
        ),
    ],
)
def test_ranks_stream_their_shards(server, client, run_name, tmp_path, mode):
    processes = start(server.address, run_name, mode, tmp_path)
    try:
        said = finish(processes, tmp_path)
    finally:
        kill(processes)
    assert [each["world"] for each in said] == [[rank, WORLD] for rank in range(WORLD)]
    first = said[0]
    # 203 samples, of which the sampler repeats one.
    assert (first["samples"], first["attempt"]) == (203, 0)
    assert first["nc3"] is not None
    assert 0 < first["agreement"] <= 1
    report = client.report(run_name, 1)
    assert report.nc1.pinv == first["pinv"]
    state = client.statistics(run_name, 1)
    assert state.weight.shape == (5, 16)


def test_a_rank_that_dies_and_a_training_that_resumes(server, client, run_name, tmp_path):
    processes = start(server.address, run_name, "ddp", tmp_path, dies_in=1)
    try:
        assert processes[1].wait(timeout=60) == -signal.SIGKILL
    finally:
        kill(processes)
    # The helpers of those that were killed still send what was complete.
    assert client.report(run_name, 0, wait=True, timeout=20).data.samples == 203
    with pytest.raises(ncscope.errors.NotFound):
        client.report(run_name, 1)
    processes = start(server.address, run_name, "ddp", tmp_path, attempt=1)
    try:
        said = finish(processes, tmp_path, attempt=1)
    finally:
        kill(processes)
    assert (said[0]["samples"], said[0]["attempt"]) == (203, 1)
    assert client.report(run_name, 0).attempt == 1


def test_a_server_that_dies_does_not_change_the_training(own_server, tmp_path):
    losses = []
    for attempt, dies in enumerate((False, True)):
        processes = start(own_server.address, "run", "ddp", tmp_path, attempt)
        try:
            if dies:
                own_server.stop(signal.SIGKILL)
                own_server.start(own_server.address)
            said = finish(processes, tmp_path, attempt)
        finally:
            kill(processes)
        assert said[0]["samples"] == 203
        losses.append([each["losses"] for each in said])
    assert losses[0] == losses[1]
