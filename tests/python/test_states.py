"""States that ranks contribute in place of samples, and decisions about those."""

import dataclasses
import signal
import subprocess

import ncscope
import numpy as np
import pytest
from ncscope import errors

import samples
from servers import binary
from test_metrics import stream

CLEAR = samples.make("imbalanced")
# So that some are decided about wrongly.
NOISE = np.random.default_rng(7).standard_normal(CLEAR.features.shape)
DATA = dataclasses.replace(CLEAR, features=CLEAR.features + NOISE)
EARLIER = dataclasses.replace(CLEAR, features=0.3 * CLEAR.features - 0.5 * NOISE)
HALF = len(DATA.labels) // 2
RANKS = (slice(0, HALF), slice(HALF, None))
NC4 = ("agreement", "ncc_accuracy", "classifier_accuracy")


def part(data, rows):
    return dataclasses.replace(data, features=data.features[rows], labels=data.labels[rows])


def state_of(client, run, rows):
    stream(client, run, part(DATA, rows), np.float64)
    return client.statistics(run, 0)


def decisions_of(rows, centers_epoch=0):
    """What a trainer counts that knows the class means of EARLIER."""
    h, y = DATA.features[rows], DATA.labels[rows]
    labels = np.arange(DATA.num_classes)
    centers = np.stack([EARLIER.features[EARLIER.labels == c].mean(axis=0) for c in labels])
    nearest = np.argmin(((h[:, None] - centers[None]) ** 2).sum(axis=2), axis=1)
    decided = np.argmax(h @ DATA.weight.T + DATA.bias, axis=1)
    classes = np.unique(y)

    def count(hits):
        return np.array([np.sum(hits[y == c]) for c in classes])

    return ncscope.Decisions(
        centers_epoch, count(decided == nearest), count(nearest == y), count(decided == y)
    )


def warning_of(report, code):
    return [warning.message for warning in report.warnings if warning.code == code]


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


def test_decisions_of_two_ranks_are_nc4(client, run_name):
    stream(client, run_name, EARLIER, np.float64)
    # The same by a second look: a split that comes after train of an earlier epoch.
    whole = stream(client, run_name, DATA, np.float64, epoch=2, split="val")
    assert whole.nc4.centers.epoch == 0
    reports = [
        client.put_statistics(
            run_name,
            2,
            state_of(client, f"{run_name}.{rank}", rows),
            decisions=decisions_of(rows),
            rank=rank,
            world_size=2,
        )
        for rank, rows in enumerate(RANKS)
    ]
    assert reports[0] is None
    report = reports[1]
    for name in NC4:
        assert getattr(report.nc4, name) == getattr(whole.nc4, name), name
        np.testing.assert_array_equal(report.class_column(name), whole.class_column(name))
        assert 0 < getattr(report.nc4, name) < 1, name
    assert report.nc4.samples == len(DATA.labels)
    assert report.nc4.decision_source == "counted"
    assert (report.nc4.centers.split, report.nc4.centers.epoch) == ("train", 0)
    assert report.nc4.centers.attempt is None
    assert "epoch 0" in warning_of(report, "earlier_train_means")[0]
    assert report.class_groups.tail.agreement == whole.class_groups.tail.agreement
    assert {entry.metric for entry in report.dynamics.metrics} >= {f"nc4.{name}" for name in NC4}
    assert not client.statistics(run_name, 2).header.HasField("decisions")


def test_the_command_line_shows_decisions(server, client, run_name):
    rows = slice(None)
    state = state_of(client, run_name + ".state", rows)
    client.put_statistics(run_name, 7, state, decisions=decisions_of(rows, 5))
    shown = subprocess.run(
        [
            binary("ncscope", "NCSCOPE_BIN"),
            *("show", run_name, "--epoch", "7", "--server", server.address),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "the classifier decides by the nearest class mean for" in shown
    assert "warning earlier_train_means: the class means of train that nc4 takes are" in shown
    assert "of epoch 5:" in shown


def test_without_train_error_the_terminal_phase_begins(client, run_name):
    state = state_of(client, run_name + ".state", slice(None))
    right = ncscope.Decisions(0, state.counts // 2, state.counts // 2, state.counts)
    report = client.put_statistics(run_name, 1, state, decisions=right)
    assert report.nc4.classifier_accuracy == 1
    assert report.dynamics.terminal_phase_epoch == 1


def test_ranks_that_do_not_decide_alike_have_no_nc4(client, run_name):
    states = [state_of(client, f"{run_name}.{rank}", rows) for rank, rows in enumerate(RANKS)]

    def put(epoch, *decisions):
        for rank, (state, counted) in enumerate(zip(states, decisions, strict=True)):
            report = client.put_statistics(
                run_name, epoch, state, decisions=counted, rank=rank, world_size=2
            )
        return report

    ours, others = (decisions_of(rows, 3) for rows in RANKS)
    report = put(4, ours, dataclasses.replace(others, centers_epoch=2))
    assert "rank 0 of epoch 3, rank 1 of epoch 2" in report.why("nc4")
    report = put(5, ours, None)
    assert "merged state" in report.why("nc4")
    assert put(6, ours, others).nc4.samples == len(DATA.labels)
    # One that streams.
    client.put_statistics(run_name, 7, states[0], decisions=ours, rank=0, world_size=2)
    report = stream(
        client, run_name, part(DATA, RANKS[1]), np.float64, epoch=7, rank=1, world_size=2
    )
    assert "rank 1 streamed its samples, rank 0 decided" in report.why("nc4")
    assert report.nc4.agreement is None
    assert all(row.ncc_accuracy is None for row in report.classes)
    assert not warning_of(report, "earlier_train_means")
    # One that has no samples is in nobody's way.
    client.put_statistics(run_name, 8, states[0], decisions=ours, rank=0, world_size=3)
    client.put_statistics(run_name, 8, states[1], decisions=others, rank=1, world_size=3)
    with client.stream(
        run_name, 8, num_classes=7, dim=12, dtype="float64", rank=2, world_size=3
    ) as opened:
        pass
    assert opened.report.nc4.samples == len(DATA.labels)


def test_decisions_that_no_samples_give_are_refused(client, run_name):
    state = state_of(client, run_name + ".state", slice(None))
    good = decisions_of(slice(None))

    def refused(match, epoch=1, **changes):
        with pytest.raises(errors.InvalidArgument, match=match):
            client.put_statistics(
                run_name, epoch, state, decisions=dataclasses.replace(good, **changes)
            )

    refused("expected 7 elements of ARRAY_AGREEMENTS; got 6", agreements=good.agreements[:-1])
    refused("ARRAY_NEAREST_CORRECT of uint64; got float64", nearest_correct=good.agreements / 2)
    refused(
        "CLASSIFIER_CORRECT of at least 0; got -90", classifier_correct=-state.counts.astype(int)
    )
    refused(r"centers_epoch in \[0, 2\^32\); got -1", centers_epoch=-1)
    refused(r"centers_epoch in \[0, 2\^32\); got 0.5", centers_epoch=0.5)
    for epoch, centers in ((1, 1), (1, 2), (0, 0)):
        expected = f"of an epoch before {epoch}, got those of epoch {centers}"
        refused(expected, epoch=epoch, centers_epoch=centers)
    more = np.where(np.arange(7) == 2, 31, good.agreements)  # of 30
    refused("agreements of class 2 of at most its 30 samples, got", agreements=more)
    refused(
        "of class 0 of at most its 90 samples", nearest_correct=np.full(7, 2**64 - 1, np.uint64)
    )
    # Two of three in one sample are all three.
    none = np.zeros(7, np.uint64)
    refused(
        "counts of class 0 that 90 samples can have, got 90 agreements, 90 nearest_correct",
        agreements=state.counts,
        nearest_correct=state.counts,
        classifier_correct=none,
    )
    report = client.put_statistics(run_name, 1, state, decisions=good)
    assert report.nc4.samples == len(DATA.labels)
    with pytest.raises(errors.AlreadyExists, match="the state is another one"):
        client.put_statistics(run_name, 1, state)
    again = client.put_statistics(run_name, 1, state, decisions=good)
    assert again == report


def test_decisions_of_more_classes_than_a_message_holds(client, run_name):
    """250,000 classes: each array is two blocks. Their report is not waited for."""
    classes = 250_000
    counts = np.full(classes, 2, np.uint64)
    header = ncscope.v1.statistics_pb2.StatisticsHeader(
        layout_version=1,
        num_classes=classes,
        present_classes=classes,
        dim=1,
        samples=2 * classes,
        input_type=ncscope.v1.types_pb2.DATA_TYPE_FLOAT32,
        sum_squares=1.0,
    )
    state = ncscope.Statistics(
        header,
        np.arange(classes, dtype=np.uint32),
        counts,
        np.arange(classes, dtype=np.float64),
        np.ones(classes),
        np.full(1, float(classes)),
        None,
        None,
    )
    last = np.where(np.arange(classes) == classes - 1, 3, 2)
    wrong = ncscope.Decisions(3, counts, counts, last)
    with pytest.raises(errors.InvalidArgument, match="classifier_correct of class 249999 of at"):
        client.put_statistics(run_name, 4, state, decisions=wrong, world_size=2)
    right = ncscope.Decisions(3, counts, counts, counts)
    assert client.put_statistics(run_name, 4, state, decisions=right, world_size=2) is None


@pytest.mark.parametrize("how", ["TERM", "KILL"])
def test_decisions_survive_a_restart(own_server, run_name, how):
    def put(client, rank):
        return client.put_statistics(
            run_name, 3, states[rank], decisions=counted[rank], rank=rank, world_size=2
        )

    counted = [decisions_of(rows, 1) for rows in RANKS]
    with ncscope.Client(own_server.address) as client:
        states = [state_of(client, f"{run_name}.{rank}", rows) for rank, rows in enumerate(RANKS)]
        assert put(client, 0) is None
    own_server.stop(getattr(signal, f"SIG{how}"))
    own_server.start()
    with ncscope.Client(own_server.address) as client:
        assert put(client, 0) is None  # the same again
        with pytest.raises(errors.AlreadyExists, match="rank 0 has been closed with other content"):
            client.put_statistics(run_name, 3, states[0], rank=0, world_size=2)
        report = put(client, 1)
    right = sum(int(part.classifier_correct.sum()) for part in counted)
    assert report.nc4.classifier_accuracy == pytest.approx(right / len(DATA.labels), rel=1e-15)
    assert report.nc4.centers.epoch == 1
