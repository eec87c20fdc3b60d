"""What a client can ask for: reports, runs, states; watching; deleting."""

import threading

import ncscope
import numpy as np
import pytest
from ncscope import errors

import samples
from test_metrics import stream

DATA = samples.make("absent_class")


def test_reports_of_a_run(client, run_name):
    made = [stream(client, run_name, DATA, np.float64, epoch=epoch) for epoch in (0, 2, 5)]
    stream(client, run_name, DATA, np.float64, epoch=2, split="test")
    stream(client, run_name, DATA, np.float64, epoch=2, layer="conv1")
    listed = client.reports(run_name)
    assert [(r.epoch, r.split, r.layer) for r in listed] == [
        (0, "train", "features"),
        (2, "test", "features"),
        (2, "train", "conv1"),
        (2, "train", "features"),
        (5, "train", "features"),
    ]
    assert listed[0].classes == ()
    assert client.reports(run_name, classes=True)[0] == made[0]
    assert [r.epoch for r in client.reports(run_name, split="test")] == [2]
    assert [r.epoch for r in client.reports(run_name, layer="features", min_epoch=3)] == [5]
    assert [r.epoch for r in client.reports(run_name, max_epoch=0)] == [0]
    assert client.report(run_name, 5) == made[2]
    assert client.report(run_name, 5, classes=False).classes == ()


def test_runs_and_deleting_one(client, run_name):
    stream(client, run_name, DATA, np.float64, epoch=3)
    stream(client, run_name, DATA, np.float64, epoch=4)
    (run,) = [run for run in client.runs() if run.run == run_name]
    assert (run.reports, run.first_epoch, run.last_epoch) == (2, 3, 4)
    assert run.updated_at is not None
    assert client.delete(run_name) == 2
    assert run_name not in [run.run for run in client.runs()]
    with pytest.raises(errors.NotFound, match=run_name):
        client.report(run_name, 3)
    with pytest.raises(errors.NotFound):
        client.delete(run_name)
    stream(client, run_name, DATA, np.float64, epoch=3)  # the name is free again


def test_more_reports_than_a_page(client, run_name, monkeypatch):
    monkeypatch.setattr("ncscope.client.PAGE_SIZE", 2)
    for epoch in range(5):
        with client.stream(run_name, epoch, num_classes=8) as opened:
            opened.add(DATA.features, DATA.labels)
    assert [report.epoch for report in client.reports(run_name)] == [0, 1, 2, 3, 4]
    names = [run.run for run in client.runs()]
    assert len(names) == len(set(names))
    assert run_name in names


def test_what_is_not_there(client, run_name):
    with pytest.raises(errors.NotFound):
        client.report(run_name, 0)
    with pytest.raises(LookupError):
        client.statistics(run_name, 0)
    with pytest.raises(errors.NcscopeError):
        client.report(run_name, 0, wait=True, timeout=0.3)


def test_watching(client, run_name):
    stream(client, run_name, DATA, np.float64, epoch=0)
    seen = []
    arrived = threading.Semaphore(0)

    def watch():
        for report in client.watch(run_name, include_existing=True):
            seen.append(report)
            arrived.release()
            if report.epoch == 2:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert arrived.acquire(timeout=30)
    for epoch in (1, 2):
        stream(client, run_name, DATA, np.float64, epoch=epoch)
    watcher.join(30)
    assert [report.epoch for report in seen] == [0, 1, 2]


def test_a_report_that_another_thread_completes(client, run_name):
    answer = []
    waiter = threading.Thread(
        target=lambda: answer.append(client.report(run_name, 0, wait=True, timeout=30))
    )
    with client.stream(run_name, 0, num_classes=8) as opened:
        opened.add(DATA.features, DATA.labels)
        opened.flush()
        waiter.start()
    waiter.join(30)
    assert answer == [opened.report]


def test_the_state_behind_a_report(client, run_name):
    stream(client, run_name, DATA, np.float64)
    state = client.statistics(run_name, 0)
    present = np.unique(DATA.labels)
    means = np.stack([DATA.features[DATA.labels == c].mean(axis=0) for c in present])
    rest = DATA.features - means[np.searchsorted(present, DATA.labels)]
    assert state.classes.tolist() == present.tolist()
    assert state.counts.tolist() == [20] * 6
    assert state.header.samples == 120
    np.testing.assert_allclose(state.means, means, rtol=1e-12)
    np.testing.assert_allclose(state.within_scatter(), rest.T @ rest / 120, rtol=1e-9, atol=1e-12)
    within = [(rest[DATA.labels == c] ** 2).sum() for c in present]
    np.testing.assert_allclose(state.within, within, rtol=1e-10)
    np.testing.assert_array_equal(state.weight, DATA.weight)
    np.testing.assert_array_equal(state.bias, DATA.bias)


def test_a_proxy_for_the_web_is_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with ncscope.Client(server.address) as client:
        client.wait_ready(10)
        client.runs()


def test_the_report_of_one_attempt(client, run_name):
    data = np.random.default_rng(3).standard_normal((40, 6)), np.arange(40) % 4
    with client.stream(run_name, 0, num_classes=4, attempt=2) as stream:
        stream.add(*data)
    assert client.report(run_name, 0, attempt=2).attempt == 2
    with pytest.raises(errors.NotFound):
        client.report(run_name, 0, attempt=3)
    with pytest.raises(errors.FailedPrecondition, match="attempt 1 was replaced by attempt 2"):
        client.report(run_name, 0, attempt=1, wait=True)
    with pytest.raises(errors.InvalidArgument, match="attempt"):
        client.report(run_name, 0, attempt=-1)


def test_an_epoch_without_a_rank_is_listed_and_reported_in_part(client, run_name):
    with client.stream(run_name, 0, num_classes=DATA.num_classes, rank=0, world_size=2) as stream_:
        stream_.add(DATA.features, DATA.labels)
    (series,) = client.series(run_name).series
    assert (series.closed_ranks, series.world_size) == (1, 2)
    assert [(rank.rank, rank.connected) for rank in series.missing] == [(1, False)]
    report = client.report_partial(run_name, 0)
    assert report.partial
    assert report.data.samples == len(DATA.labels)
    assert not client.series(run_name).series
    with pytest.raises(errors.NotFound):
        client.report_partial(run_name, 0)
