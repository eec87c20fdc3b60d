"""The examples that train with torch, run as a person does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "client" / "python" / "examples"
# So that results do not depend on the cores, and tests side by side do not wait for each other.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
HEAD = "epoch  split  accuracy  NC1 pinv  NC2 equinorm  NC2 ETF error  NC3 distance  NC4 agreement"


def run_example(name, *options):
    """Returns what an example prints; it must end well, without a warning."""
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, options)],
        capture_output=True,
        text=True,
        timeout=600,
        env=ONE_THREAD,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


def trained(name, server, client, run, epochs):
    """Runs an example; returns the first and the last report of each split."""
    lines = run_example(name, "--server", server.address, "--run", run, "--epochs", epochs)
    assert lines[0] == HEAD
    splits = {split: client.reports(run, split=split) for split in ("train", "test")}
    printed = sorted((int(n), split) for n, split, *_ in map(str.split, lines[1:]))
    served = sorted((r.epoch, split) for split, reports in splits.items() for r in reports)
    assert printed == served
    for reports in splits.values():
        assert (reports[0].epoch, reports[-1].epoch) == (0, epochs)
        assert not any(report.partial for report in reports)
    return {split: (reports[0], reports[-1]) for split, reports in splits.items()}


def collapsed(first, last, nc1_falls):
    """Asserts NC1 to NC4 between two reports of the train split."""
    assert last.nc4.classifier_accuracy == 1
    assert last.dynamics.terminal_phase_epoch < last.epoch
    assert last.nc1.pinv < first.nc1.pinv / nc1_falls
    assert last.nc2.means.etf_error < 0.5 * first.nc2.means.etf_error
    assert last.nc2.means.equinorm < 0.5 * first.nc2.means.equinorm
    assert last.nc3.distance < 0.3 * first.nc3.distance
    assert first.nc4.agreement < 0.5
    assert last.nc4.agreement >= 0.99


@pytest.fixture
def plot_of(server, run_name, tmp_path):
    pytest.importorskip("matplotlib")

    def draw(suffix):
        path = tmp_path / f"run{suffix}"
        run_example("plot_run.py", "--server", server.address, "--run", run_name, "--output", path)
        return path.read_bytes()

    return draw


def test_mlp_collapses(server, client, run_name, plot_of):
    reports = trained("digits_mlp.py", server, client, run_name, epochs=200)
    collapsed(*reports["train"], nc1_falls=100)
    assert reports["test"][1].nc4.classifier_accuracy > 0.95
    assert plot_of(".png").startswith(b"\x89PNG")
    drawn = plot_of(".svg").decode()
    for text in ("train", "test", "ETF error", "equinorm", "training error 0", run_name):
        assert f">{text}" in drawn


def test_cnn_collapses(server, client, run_name):
    reports = trained("digits_cnn.py", server, client, run_name, epochs=30)
    collapsed(*reports["train"], nc1_falls=30)
    assert reports["test"][1].nc4.classifier_accuracy > 0.95


def test_gpt_decides_more_and_more_by_the_nearest_mean(server, client, run_name):
    reports = trained("small_gpt.py", server, client, run_name, epochs=12)
    text = (EXAMPLES / "text.txt").read_text(encoding="ascii")
    vocabulary = len(set(text))
    first, last = reports["train"]
    windows = len(text) * 9 // 10 // 64
    for report in (first, last):
        assert report.data.num_classes == vocabulary
        assert report.data.samples == windows * 63  # the last position of a window has no next
        assert 0 < report.nc1.pinv < float("inf")
    assert last.nc4.agreement > first.nc4.agreement + 0.1
    assert last.nc4.classifier_accuracy > 0.25
    assert last.nc2.means.equinorm < first.nc2.means.equinorm
    assert last.nc3.distance < first.nc3.distance


def test_without_a_server_an_example_says_so(tmp_path):
    """The training ends; what was measured is kept, and how to send it is told."""
    result = subprocess.run(
        [
            *(sys.executable, EXAMPLES / "digits_mlp.py", "--server", "127.0.0.1:1"),
            *("--run", "nowhere", "--epochs", "1"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env=ONE_THREAD,
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert "`ncscope sync " in result.stderr
