"""Mode "edge": the state that a trainer sums itself, against the samples that it streams."""

import signal
import subprocess
import time

import ncscope
import numpy as np
import pytest
import torch
from ncscope import errors
from servers import binary
from torch import nn
from trainers import CLASSES, DIM, samples_of, wait_until


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(DIM, 16), nn.ReLU(), nn.Linear(16, CLASSES))


def batches_of(epoch, rows=600):
    features, labels, _ = samples_of(epoch, rows)
    return [
        (torch.from_numpy(features[row : row + 64]), torch.from_numpy(labels[row : row + 64]))
        for row in range(0, rows, 64)
    ]


@pytest.fixture
def monitor_of(server, run_name, tmp_path):
    made = []

    def make(model, mode, address=None, **others):
        options = ncscope.MonitorOptions(spool_dir=tmp_path / "spool", **others.pop("limits", {}))
        made.append(
            ncscope.Monitor(
                model,
                run=others.pop("run", f"{run_name}.{mode}"),
                server=address or server.address,
                mode=mode,
                options=options,
                **others,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def compare(got, wanted, path=""):
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys(), path
        for key in wanted:
            compare(got[key], wanted[key], f"{path}.{key}")
    elif isinstance(wanted, float):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-12, err_msg=path)
    elif not isinstance(wanted, (list, str)):
        assert got == wanted, path


def test_the_same_numbers_as_the_streamed_mode(monitor_of):
    model = make_model()
    streamed, summed = (monitor_of(model, mode) for mode in ("stream", "edge"))
    for epoch in range(3):
        for split in ("train", "test"):
            pair = [
                each.measure(
                    batches_of(epoch, 600 if split == "train" else 300), epoch=epoch, split=split
                )
                for each in (streamed, summed)
            ]
            wanted, got = (future.result(30) for future in pair)
            for group in ("nc1", "nc2", "nc3", "data", "classifier"):
                if group in wanted.to_dict():
                    compare(got.to_dict()[group], wanted.to_dict()[group], group)
            if epoch == 0:
                assert got.nc4.agreement is None
                assert "merged state" in got.why("nc4")
                continue
            assert got.nc4.centers.epoch == epoch - 1
            assert got.nc4.centers.split == "train"
            assert got.nc4.classifier_accuracy == pytest.approx(wanted.nc4.classifier_accuracy)
            assert 0 < got.nc4.agreement <= 1
            assert "earlier_train_means" in [warning.code for warning in got.warnings]


def test_streamed_summed_and_from_a_file(monitor_of, tmp_path):
    model = make_model()
    batches = batches_of(0)
    with torch.no_grad():
        features = torch.cat([model[:2](x) for x, _ in batches]).numpy()
    np.savez(
        tmp_path / "epoch.npz",
        features=features,
        labels=np.concatenate([y.numpy() for _, y in batches]),
        weight=model[2].weight.detach().numpy(),
        bias=model[2].bias.detach().numpy(),
    )
    program = binary("ncscope", "NCSCOPE_BIN")
    done = subprocess.run(
        [program, "report", tmp_path / "epoch.npz", "--format", "json", "--backend", "cpu"],
        capture_output=True,
        text=True,
        check=True,
    )
    reports = [ncscope.Report.from_json(done.stdout).to_dict()]
    for mode in ("stream", "edge"):
        future = monitor_of(model, mode).measure(batches, epoch=0)
        reports.append(future.result(30).to_dict())
    for other in reports[1:]:
        for group in ("nc1", "nc2", "nc3", "data"):
            compare(other[group], reports[0][group], group)
    compare(reports[1]["nc4"], reports[0]["nc4"], "nc4")


def test_without_a_model(monitor_of, client, run_name):
    monitor = monitor_of(None, "edge", num_classes=CLASSES)
    features, labels, weight = samples_of(0)
    with monitor.epoch(0) as epoch:
        epoch.observe(features, labels)
        epoch.classifier(weight)
    report = epoch.future.result(30)
    assert report.data.samples == 600
    assert report.nc3.distance is not None


def test_what_it_cannot_do_is_said(monitor_of):
    monitor = monitor_of(None, "edge", num_classes=CLASSES)
    features, labels, _ = samples_of(0)
    for observe, text in (
        (lambda epoch: epoch.observe(features, labels + 3), "label"),
        (lambda epoch: epoch.observe(features, labels, sample_ids=labels), "mode 'stream' only"),
        (lambda epoch: None, "no samples were observed"),
    ):
        with monitor.epoch(0) as epoch:
            observe(epoch)
        assert text in str(epoch.future.exception(30))
    monitor.begin_epoch(1)
    monitor.observe(features, labels)
    assert "mode 'stream' only" in str(monitor.end_epoch(partial=True).exception(10))
    with pytest.raises(errors.InvalidArgument, match="expected mode of stream, edge"):
        ncscope.Monitor(run="r", num_classes=2, mode="ege")


def test_an_epoch_without_usable_samples_does_not_end_the_others(monitor_of):
    monitor = monitor_of(make_model(), "edge")
    for epoch in range(4):
        batches = batches_of(epoch)
        if epoch == 1:
            batches = [(x * float("nan"), y) for x, y in batches]
        future = monitor.measure(batches, epoch=epoch)
        if epoch == 1:
            assert future.exception(30) is not None
        else:
            assert future.result(30).data.samples == 600
    assert future.result().nc4.centers.epoch == 2


def test_precision_of_products_is_not_set_from_another_thread(monitor_of):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        monitor = monitor_of(make_model(), "edge")
        monitor.measure(batches_of(0), epoch=0, split="test")
        seen = set()
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            seen.add(torch.get_float32_matmul_precision())
        assert seen == {"medium"}
    finally:
        torch.set_float32_matmul_precision(before)


def test_ranks_without_decisions(monitor_of, run_name):
    model = make_model()
    monitors = [
        monitor_of(model, "edge", rank=rank, world_size=2, run=run_name) for rank in range(2)
    ]
    for epoch in range(2):
        futures = [
            each.measure(batches_of(epoch, 300 + rank), epoch=epoch)
            for rank, each in enumerate(monitors)
        ]
        report = futures[0].result(30)
        assert report.data.samples == 601
        assert report.nc4.agreement is None


def test_a_server_that_is_away(own_server, monitor_of):
    monitor = monitor_of(make_model(), "edge", own_server.address, run="run")
    own_server.stop(signal.SIGKILL)
    futures = [monitor.measure(batches_of(epoch), epoch=epoch) for epoch in range(3)]
    own_server.start(own_server.address)
    for epoch, future in enumerate(futures):
        assert future.result(60).epoch == epoch


def test_a_state_that_is_larger_than_the_queue(own_server, monitor_of, tmp_path):
    # 20,000 classes of d = 300: 48 MB of means and as much of W, through 64 MiB less 32.
    monitor = monitor_of(
        None,
        "edge",
        own_server.address,
        run="run",
        num_classes=20_000,
        limits={"queue_bytes": 64 << 20},
    )
    rng = np.random.default_rng(0)
    own_server.stop()
    with monitor.epoch(0) as epoch:
        epoch.observe(rng.standard_normal((20_000, 300)).astype(np.float32), np.arange(20_000))
        epoch.classifier(rng.standard_normal((20_000, 300)).astype(np.float32))
    wait_until(lambda: (tmp_path / "spool").exists())
    own_server.start(own_server.address)
    report = epoch.future.result(120)
    assert (report.data.samples, report.data.present_classes) == (20_000, 20_000)
    assert monitor.close() is None
    assert not (tmp_path / "spool").exists()


def test_a_run_that_was_measured_before_is_replaced(monitor_of, run_name):
    for times in range(2):
        monitor = monitor_of(make_model(), "edge", run=run_name)
        report = monitor.measure(batches_of(0, 600 + times), epoch=0).result(30)
        assert (report.attempt, report.data.samples) == (times, 600 + times)
        monitor.close()
