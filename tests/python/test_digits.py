"""The training of the quick start, cut short."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "client" / "python" / "examples" / "digits.py"


def run_example(server, run, epochs):
    result = subprocess.run(
        [
            sys.executable,
            EXAMPLE,
            "--address",
            server.address,
            *("--run", run, "--epochs", str(epochs)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_the_table_collapses_and_is_the_same_again(server, client, run_name):
    lines = run_example(server, run_name, epochs=100)
    assert re.split(r"  +", lines[0].strip()) == [
        *("epoch", "split", "accuracy", "NC1 pinv", "NC2 equinorm", "NC2 ETF error"),
        *("NC3 distance", "NC4 agreement"),
    ]
    epochs = [0, 1, 2, 5, 10, 20, 50, 100]
    assert [line.split()[:2] for line in lines[2:]] == [
        [str(epoch), split] for epoch in epochs for split in ("train", "test")
    ]
    reports = client.reports(run_name, split="train")
    assert [report.epoch for report in reports] == epochs
    first, last = reports[0], reports[-1]
    assert first.nc4.classifier_accuracy < 0.3
    assert last.nc4.classifier_accuracy == 1
    assert last.nc1.pinv < 0.1 * first.nc1.pinv
    assert last.nc2.means.etf_error < 0.7 * first.nc2.means.etf_error
    assert last.nc3.distance < 0.5 * first.nc3.distance
    assert last.nc4.agreement > 0.99
    assert run_example(server, run_name, epochs=100) == lines  # replaces the run
    assert len(client.reports(run_name)) == 2 * len(epochs)
