"""Several splits and layers of one epoch, and a run over epochs."""

import ncscope
import numpy as np
import pytest
from ncscope import errors

import oracle
from test_metrics import value_at

CLASSES, DIM = 5, 12
LAYERS = {"block1": (0, 7), "features": (1, DIM)}  # depth, d


def epoch_of(epoch, layer):
    """Returns features and labels by split: train collapses, test a little less."""
    dim = LAYERS[layer][1]
    rng = np.random.default_rng(epoch * 10 + dim)
    means = np.random.default_rng(dim).standard_normal((CLASSES, dim))
    data = {}
    for split, count, spread in (("train", 200, 0.5), ("test", 90, 0.7)):
        labels = np.arange(count) % CLASSES
        noise = spread / (1 + epoch) * rng.standard_normal((count, dim))
        data[split] = (means[labels] + noise, labels)
    data["ood_far"] = (3 + rng.standard_normal((60, dim)), np.zeros(60, dtype=np.int64))
    data["ood.near"] = (rng.standard_normal((50, dim)), rng.integers(0, CLASSES, 50))
    return data, means


def stream_epoch(client, run, epoch):
    """Streams every split and layer side by side and closes train last; in one thread."""
    opened = {}
    for layer, (depth, dim) in LAYERS.items():
        data, means = epoch_of(epoch, layer)
        for split, (features, labels) in data.items():
            stream = client.stream(
                run, epoch, split, layer, num_classes=CLASSES, dim=dim, depth=depth
            )
            stream.add(features, labels)
            if layer == "features":
                stream.classifier(means, -(means**2).sum(axis=1) / 2)
            stream.flush()
            opened[split, layer] = stream
    for (split, _), stream in opened.items():
        if split != "train":
            assert stream.close() is None
    for layer in LAYERS:
        assert opened["train", layer].close().split == "train"


@pytest.fixture(scope="module")
def run(server):
    name = "test_splits"
    with ncscope.Client(server.address, timeout=30) as client:
        for epoch in range(3):
            stream_epoch(client, name, epoch)
    return name


@pytest.mark.parametrize("split", ["test", "ood_far", "ood.near"])
def test_other_splits_are_judged_by_train(client, run, split):
    for layer in LAYERS:
        data, _ = epoch_of(2, layer)
        report = client.report(run, 2, split, layer)
        assert (report.nc4.centers.split, report.nc4.centers.epoch) == ("train", 2)
        expected = oracle.evaluation(*data[split], *data["train"])
        for path, value in expected.items():
            got = value_at(report, path)
            if value is None:
                assert got is None
                assert report.why(path)
            else:
                assert got == pytest.approx(value, rel=1e-9), path
        if split == "test":
            assert report.nc5 is None or report.nc5.orthogonality is None
        else:
            assert report.nc5.ood_split == split
            expected = oracle.orthogonality(data[split][0], *data["train"])
            assert report.nc5.orthogonality == pytest.approx(expected, rel=1e-9)


def test_layers_by_depth(client, run):
    for split in ("train", "test"):
        (below,) = client.report(run, 1, split).layers
        assert (below.layer, below.depth, below.dim) == ("block1", 0, 7)
        (above,) = client.report(run, 1, split, "block1").layers
        assert (above.layer, above.depth, above.dim) == ("features", 1, DIM)
        own = client.report(run, 1, split, layers=False)
        assert own.layers == ()
        assert above.nc1 == own.nc1
        assert above.nc2.means == own.nc2.means
        assert above.nc3 == own.nc3
        assert above.nc4 == own.nc4
    assert [len(report.layers) for report in client.reports(run)] == [0] * 24
    assert [len(report.layers) for report in client.reports(run, layers=True)] == [1] * 24


def test_dynamics_of_a_run(client, run):
    for split in ("train", "test"):
        reports = [client.report(run, epoch, split) for epoch in range(3)]
        pinv = [report.nc1.pinv for report in reports]
        history = {entry.metric: entry for entry in reports[2].dynamics.metrics}
        assert history["nc1.pinv"].relative_to_first == pytest.approx(pinv[2] / pinv[0])
        assert history["nc1.pinv"].relative_to_best == pytest.approx(pinv[2] / min(pinv))
        assert history["nc1.pinv"].best_epoch == int(np.argmin(pinv))
        slope = np.polyfit(range(3), np.log10(pinv), 1)[0]
        assert reports[2].dynamics.nc1_log10_slope == pytest.approx(slope)
        assert reports[0].dynamics.nc1_log10_slope is None
    train = [client.report(run, epoch).nc4.classifier_accuracy for epoch in range(3)]
    first = next((epoch for epoch, accuracy in enumerate(train) if accuracy == 1), None)
    assert first is not None
    for split in ("train", "test", "ood_far"):
        for epoch in range(3):
            got = client.report(run, epoch, split).dynamics.terminal_phase_epoch
            assert got == (first if epoch >= first else None)


def test_the_latest_earlier_train_epoch(client, run):
    data, _ = epoch_of(7, "features")
    with client.stream(run + "-late", 4, num_classes=CLASSES) as stream:
        stream.add(*data["train"])
    with client.stream(run + "-late", 7, "test", num_classes=CLASSES) as stream:
        stream.add(*data["test"])
    assert stream.report.nc4.centers.epoch == 4
    assert [w.code for w in stream.report.warnings] == ["earlier_train_means"]


def test_a_report_that_waits_is_waited_for(client, run):
    data, _ = epoch_of(0, "features")
    name = run + "-waits"
    train = client.stream(name, 0, num_classes=CLASSES)
    train.add(*data["train"])
    train.flush()
    with client.stream(name, 0, "test", num_classes=CLASSES) as test:
        test.add(*data["test"])
    assert test.report is None
    with pytest.raises(errors.NotFound):
        client.report(name, 0, "test")
    with pytest.raises(errors.DeadlineExceeded):
        client.report(name, 0, "test", wait=True, timeout=0.3)
    train.close()
    assert client.report(name, 0, "test", wait=True).nc4.centers.split == "train"
