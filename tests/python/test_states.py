"""States that ranks contribute in place of samples."""

import dataclasses

import ncscope
import numpy as np
import pytest
from ncscope import errors

import samples
from test_metrics import stream

DATA = samples.make("imbalanced")
HALF = len(DATA.labels) // 2


def part(data, rows):
    return dataclasses.replace(data, features=data.features[rows], labels=data.labels[rows])


def state_of(client, run, rows):
    stream(client, run, part(DATA, rows), np.float64)
    return client.statistics(run, 0)


def test_ranks_send_states_and_samples(client, run_name):
    whole = stream(client, run_name + ".whole", DATA, np.float64)
    state = state_of(client, run_name + ".part", slice(0, HALF))
    assert client.put_statistics(run_name, 0, state, rank=1, world_size=2) is None
    rest = part(DATA, slice(HALF, None))
    with client.stream(
        run_name, 0, num_classes=DATA.num_classes, world_size=2, dtype="float64"
    ) as opened:
        opened.add(rest.features, rest.labels)
        opened.classifier(DATA.weight, DATA.bias)
    report = opened.report
    assert report.data.samples == len(DATA.labels)
    assert report.nc1.pinv == pytest.approx(whole.nc1.pinv, rel=1e-10)
    assert report.nc3.distance == pytest.approx(whole.nc3.distance, rel=1e-10)
    assert "merged state" in report.why("nc4")


def test_the_last_state_makes_the_report(client, run_name):
    state = state_of(client, run_name + ".one", slice(None))
    report = client.put_statistics(run_name, 3, state, split="val", weighting="by_count")
    assert (report.key.epoch, report.key.split) == (3, "val")
    assert report.conventions.weighting == "by_count"
    again = client.put_statistics(run_name, 3, state, split="val", weighting="by_count")
    assert again == report
    back = client.statistics(run_name, 3, "val")
    np.testing.assert_array_equal(back.scatter_upper, state.scatter_upper)
    np.testing.assert_array_equal(back.means, state.means)


def test_arrays_that_do_not_fit_are_named(client, run_name):
    state = state_of(client, run_name + ".whole", slice(None))
    short = dataclasses.replace(state, within=state.within[:-1])
    with pytest.raises(errors.InvalidArgument, match=r"expected 7 elements of ARRAY_WITHIN; got 6"):
        client.put_statistics(run_name, 0, short)
    missing = dataclasses.replace(state, bias=None)
    with pytest.raises(errors.InvalidArgument, match=r"ARRAY_CLASSIFIER_BIAS; got 0"):
        client.put_statistics(run_name, 0, missing)
    floats = dataclasses.replace(state, counts=state.counts.astype(np.float64))
    with pytest.raises(errors.InvalidArgument, match="ARRAY_COUNTS of uint64; got float64"):
        client.put_statistics(run_name, 0, floats)
    negative = dataclasses.replace(state, counts=-state.counts.astype(np.int64))
    with pytest.raises(errors.InvalidArgument, match="ARRAY_COUNTS of at least 0; got -90"):
        client.put_statistics(run_name, 0, negative)
    more = dataclasses.replace(state, counts=state.counts + 1)
    with pytest.raises(errors.InvalidArgument, match="expected counts that sum to 218, got 225"):
        client.put_statistics(run_name, 0, more)
    assert client.put_statistics(run_name, 0, state).data.samples == len(DATA.labels)


def test_a_server_that_is_gone(run_name):
    header = ncscope.v1.statistics_pb2.StatisticsHeader(num_classes=1, dim=1)
    none = np.zeros(0, np.uint64)
    state = ncscope.Statistics(header, none, none, none, none, np.zeros(1), None, None)
    with (
        ncscope.Client("127.0.0.1:9", timeout=5) as client,
        pytest.raises(errors.Unavailable),
    ):
        client.put_statistics(run_name, 0, state)
