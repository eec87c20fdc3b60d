"""Ways in which samples come: ranks, layouts, sizes, repetitions."""

import threading

import ncscope
import numpy as np
import pytest

import samples
from test_metrics import check, stream


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-6)])
def test_four_ranks_give_one_report(client, run_name, dtype, tolerance):
    data = samples.make("imbalanced")
    if dtype is np.float32:
        data = data.rounded(dtype)
    reports, errors = [None] * 4, []

    def work(rank):
        try:
            with client.stream(run_name, 0, num_classes=7, rank=rank, world_size=4) as opened:
                opened.add(data.features[rank::4].astype(dtype), data.labels[rank::4])
                opened.classifier(data.weight, data.bias)
            reports[rank] = opened.report
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert any(report is not None for report in reports)
    report = client.report(run_name, 0, wait=True)
    assert report.world_size == 4
    check(report, data, tolerance, np.dtype(dtype).name)


def test_a_rank_without_samples(client, run_name):
    data = samples.make("balanced")
    common = {"num_classes": 6, "world_size": 2}
    with client.stream(run_name, 0, rank=1, dim=16, dtype="float64", **common) as empty:
        pass
    assert empty.report is None
    with client.stream(run_name, 0, rank=0, **common) as full:
        full.add(data.features, data.labels)
        full.classifier(data.weight, data.bias)
    check(full.report, data, 1e-9, "float64")


@pytest.mark.parametrize("layout", ["fortran", "big_endian", "strided", "lists"])
def test_layouts_of_arrays(client, run_name, layout):
    data = samples.make("balanced")
    features = {
        "fortran": np.asfortranarray(data.features),
        "big_endian": data.features.astype(">f8"),
        "strided": np.repeat(np.repeat(data.features, 2, axis=0), 2, axis=1)[::2, ::2],
        "lists": data.features.tolist(),
    }[layout]
    labels = data.labels.tolist() if layout == "lists" else data.labels.astype(">i4")
    with client.stream(run_name, 0, num_classes=6) as opened:
        opened.add(features, labels)
        opened.classifier(np.asfortranarray(data.weight), data.bias.astype(">f8"))
    check(opened.report, data, 1e-9, "float64")


def test_large_arrays_are_cut(client, run_name):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 10, 60_000)
    means = rng.standard_normal((10, 64), dtype=np.float32)
    features = means[labels] + rng.standard_normal((60_000, 64), dtype=np.float32)
    options = ncscope.StreamOptions(in_flight_bytes=4 << 20, keep_bytes=4 << 20)
    with client.stream(run_name, 0, num_classes=10, options=options) as opened:
        opened.add(features, labels)
        opened.flush()
        assert opened.batches == opened.acknowledged == -(-60_000 // ((8 << 20) // (64 * 4 + 8)))
    counts = np.bincount(labels)
    exact = features.astype(np.float64)
    mean = np.stack([exact[labels == c].mean(axis=0) for c in range(10)])
    within = ((exact - mean[labels]) ** 2).sum() / len(labels)
    assert opened.report.nc1.within_trace == pytest.approx(within, rel=1e-6)
    assert opened.report.class_column("count").tolist() == counts.tolist()


def test_arrays_may_change_after_add(client, run_name):
    data = samples.make("balanced")
    buffer, labels = np.empty((40, 16)), np.empty(40, np.int64)
    with client.stream(run_name, 0, num_classes=6) as opened:
        weight = data.weight.copy()
        opened.classifier(weight, data.bias)
        weight[:] = np.nan
        for begin in range(0, 240, 40):
            buffer[:] = data.features[begin : begin + 40]
            labels[:] = data.labels[begin : begin + 40]
            opened.add(buffer, labels)
            buffer[:] = np.nan
            labels[:] = -1
    check(opened.report, data, 1e-9, "float64")


def test_conversion_on_request(client, run_name):
    data = samples.make("balanced").rounded(np.float16)
    with client.stream(run_name, 0, num_classes=6, dtype="float16") as opened:
        opened.add(data.features[:100], data.labels[:100])  # float64
        opened.add(data.features[100:].astype(np.float32), data.labels[100:])
        opened.classifier(data.weight, data.bias)
    assert opened.report.conventions.input_type == "float16"
    check(opened.report, data, 1e-6, "float16")


def test_checksums_are_right(client, run_name):
    data = samples.make("balanced")
    options = ncscope.StreamOptions(crc=True)
    with client.stream(run_name, 0, num_classes=6, options=options) as opened:
        opened.add(data.features, data.labels, predictions=data.labels)
    assert opened.report.data.samples == 240


def test_a_later_attempt_replaces_an_earlier_one(client, run_name):
    data = samples.make("balanced")
    with client.stream(run_name, 0, num_classes=6) as first:
        first.add(data.features[:10], data.labels[:10])
        first.flush()
        second = stream(client, run_name, data, np.float64, attempt=1)
        assert second.attempt == 1
        check(second, data, 1e-9, "float64")
        first.cancel()
    assert client.report(run_name, 0).attempt == 1


def test_rows_that_are_to_be_ignored_or_skipped(client, run_name):
    data = samples.make("balanced")
    features = np.concatenate([data.features, np.full((3, 16), np.nan), data.features[:2]])
    labels = np.concatenate([data.labels, [0, 1, 2], [255, 255]])
    with client.stream(run_name, 0, num_classes=6, nonfinite="skip", ignore_index=255) as opened:
        opened.add(features, labels)
        opened.classifier(data.weight, data.bias)
    assert (opened.report.data.skipped_nonfinite, opened.report.data.ignored) == (3, 2)
    check(opened.report, data, 1e-9, "float64")
