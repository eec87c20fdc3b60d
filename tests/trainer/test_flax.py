"""A monitor with JAX arrays, and the example that trains with Flax."""

import subprocess
import sys
from pathlib import Path

import ncscope
import numpy as np
import pytest
from trainers import CLASSES, expected, same_numbers, samples_of

jax = pytest.importorskip("jax")

EXAMPLE = Path(__file__).resolve().parents[2] / "client" / "python" / "examples" / "flax_mlp.py"


@pytest.fixture
def monitor(server, run_name, tmp_path):
    options = ncscope.MonitorOptions(spool_dir=tmp_path / "spool")
    with ncscope.Monitor(
        run=run_name, server=server.address, num_classes=CLASSES, options=options
    ) as made:
        yield made


def test_arrays_of_jax(monitor, client, run_name):
    features, labels, weight = samples_of(0)
    with monitor.epoch(0) as epoch:
        for begin in range(0, 600, 100):
            rows = slice(begin, begin + 100)
            epoch.observe(
                jax.numpy.asarray(features[rows]).reshape(10, 10, -1),
                jax.numpy.asarray(labels[rows]).reshape(10, 10),
            )
        epoch.classifier(jax.numpy.asarray(weight))
    same_numbers(epoch.future.result(30), expected(client, run_name + ".plain", 0))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_element_types_of_jax(monitor, dtype):
    features, labels, _ = samples_of(0)
    with monitor.epoch(0) as epoch:
        epoch.observe(jax.numpy.asarray(features, dtype), jax.numpy.asarray(labels, "uint8"))
    report = epoch.future.result(30)
    assert report.conventions.input_type == dtype
    assert report.data.samples == 600


def test_a_traced_array_is_a_mistake_that_training_does_not_notice(monitor):
    features, labels, _ = samples_of(0)
    epoch = monitor.begin_epoch(0)

    @jax.jit
    def step(values):
        epoch.observe(values, labels)
        return values.sum()

    assert float(step(features)) == pytest.approx(float(np.sum(features)), rel=1e-3)
    with pytest.raises(Exception, match=r"traced|Tracer"):
        epoch.end().result(30)


def test_the_example(server, client, run_name, tmp_path):
    for package in ("flax", "optax"):
        pytest.importorskip(package)
    done = subprocess.run(
        [
            *(sys.executable, EXAMPLE, "--address", server.address, "--run", run_name),
            *("--epochs", "40", "--every", "20"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines[1:]] == [
        [epoch, split] for epoch in ("19", "39") for split in ("train", "test")
    ]
    first, last = client.report(run_name, 19), client.report(run_name, 39)
    assert 0 < last.nc1.pinv < first.nc1.pinv
    assert last.nc4.agreement > 0.95
    assert client.report(run_name, 39, "test").nc4.centers.epoch == 39
