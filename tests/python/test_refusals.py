"""What is refused, with which exception; afterwards the server still serves."""

import ncscope
import numpy as np
import pytest
from ncscope import errors

import samples
from test_metrics import check, stream

DATA = samples.make("balanced")


@pytest.fixture(autouse=True)
def still_serving(client, run_name):
    yield
    check(stream(client, f"{run_name}-after", DATA, np.float64), DATA, 1e-9, "float64")


def bad_value(value):
    features = DATA.features.copy()
    features[7, 3] = value
    return features


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite(client, run_name, value):
    with client.stream(run_name, 0, num_classes=6) as opened:
        opened.add(bad_value(value), DATA.labels)
        with pytest.raises(errors.InvalidArgument, match=r"row 7.*column 3"):
            opened.flush()
        with pytest.raises(errors.InvalidArgument, match="row 7"):  # and again
            opened.add(DATA.features, DATA.labels)
        opened.cancel()


@pytest.mark.parametrize("label", [6, -1, 2**40])
def test_a_label_that_is_no_class(client, run_name, label):
    labels = DATA.labels.copy()
    labels[11] = label
    with (
        pytest.raises(errors.InvalidArgument, match=rf"row 11.*{label}|{label}.*row 11"),
        client.stream(run_name, 0, num_classes=6) as opened,
    ):
        opened.add(DATA.features, labels)


def test_a_stream_that_goes_on_after_a_refusal(client, run_name):
    with client.stream(run_name, 0, num_classes=6) as opened:
        opened.add(DATA.features[:100], DATA.labels[:100])
        opened.add(bad_value(np.nan), DATA.labels)
        with pytest.raises(errors.InvalidArgument):
            opened.flush()
        opened.cancel()
    with client.stream(run_name, 0, num_classes=6, resume=True) as again:
        again.add(DATA.features[100:], DATA.labels[100:])
        assert again.batches == 2
        again.classifier(DATA.weight, DATA.bias)
    check(again.report, DATA, 1e-9, "float64")


def test_a_refusal_reaches_add_promptly(client, run_name):
    opened = client.stream(run_name, 0, num_classes=6)
    features = bad_value(np.nan)

    def add_for_ever():
        while True:
            opened.add(features, DATA.labels)

    with pytest.raises(errors.InvalidArgument, match="row 7"):
        add_for_ever()


@pytest.mark.parametrize(
    ("features", "labels", "text"),
    [
        (DATA.features[:, :9], DATA.labels, "expected features of dimension 16; got 9"),
        (DATA.features.astype(np.float32), DATA.labels, "expected features of float64; got float3"),
        (DATA.features, DATA.labels[:-1], "expected labels of shape"),
        (DATA.features[0], DATA.labels, "expected features of shape"),
    ],
)
def test_what_the_client_itself_refuses_leaves_the_stream_usable(
    client, run_name, features, labels, text
):
    with client.stream(run_name, 0, num_classes=6) as opened:
        opened.add(DATA.features[:100], DATA.labels[:100])
        with pytest.raises(errors.InvalidArgument, match=text):
            opened.add(features, labels)
        opened.add(DATA.features[100:], DATA.labels[100:])
        opened.classifier(DATA.weight, DATA.bias)
    check(opened.report, DATA, 1e-9, "float64")


@pytest.mark.parametrize(
    "options",
    [
        {"run": ""},
        {"run": "a/b"},
        {"run": "x" * 129},
        {"split": "tr ain"},
        {"num_classes": 0},
        {"rank": 2, "world_size": 2},
    ],
)
def test_an_open_that_makes_no_sense(client, run_name, options):
    arguments = {"run": run_name, "epoch": 0, "num_classes": 6} | options
    with pytest.raises(errors.InvalidArgument), client.stream(**arguments) as opened:
        opened.add(DATA.features, DATA.labels)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"epoch": -1}, "epoch"),
        ({"attempt": 2**32}, "attempt"),
        ({"nonfinite": "drop"}, "refuse, skip"),
        ({"weighting": "fair"}, "uniform, by_count"),
        ({"spectrum": "some"}, "auto, none, leading, all"),
        ({"profile": "mine"}, "default, papyan, geometric, linguistic, rw"),
        ({"dtype": "int8"}, "float32"),
    ],
)
def test_arguments_that_make_no_sense(client, run_name, options, text):
    arguments = {"run": run_name, "epoch": 0, "num_classes": 6} | options
    with pytest.raises(ValueError, match=text):
        client.stream(**arguments)


def test_no_samples_at_all(client, run_name):
    with (
        pytest.raises(errors.FailedPrecondition),
        client.stream(run_name, 0, num_classes=6, dim=4, dtype="float32"),
    ):
        pass
    with (
        pytest.raises(errors.InvalidArgument, match="dim= and dtype="),
        client.stream(run_name, 0, num_classes=6),
    ):
        pass


def test_other_samples_under_the_same_number(client, run_name):
    stream(client, run_name, DATA, np.float64)
    again = stream(client, run_name, DATA, np.float64)  # the same is no harm
    assert again.data.samples == 240
    with (
        pytest.raises(errors.AlreadyExists),
        client.stream(run_name, 0, num_classes=6) as opened,
    ):
        opened.add(DATA.features[::-1], DATA.labels)


def test_degenerate_data_is_answered_with_reasons(client, run_name):
    with client.stream(run_name, 0, num_classes=6) as one_class:
        one_class.add(DATA.features, np.zeros_like(DATA.labels))
    report = one_class.report
    assert report.data.present_classes == 1
    assert report.nc1.pinv is None
    assert report.why("nc1.pinv")
    assert report.why("nc3.distance")
    with client.stream(run_name, 1, num_classes=6) as singletons:
        singletons.add(DATA.features[:6], np.arange(6))
    assert singletons.report.data.singletons == 6
    assert singletons.report.nc1.pinv is None
    assert singletons.report.why("nc1.pinv")


def test_a_server_that_is_not_there():
    with ncscope.Client("127.0.0.1:1", timeout=5) as nobody:
        with pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1"):
            nobody.runs()
        with (
            pytest.raises(ConnectionError),
            nobody.stream("r", 0, num_classes=6) as opened,
        ):
            opened.add(DATA.features, DATA.labels)
        with pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1"):
            nobody.wait_ready(0.2)
