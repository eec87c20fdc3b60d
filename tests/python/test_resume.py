"""Streams that outlive a broken connection, and those that cannot."""

import signal
import time

import ncscope
import numpy as np
import pytest
from ncscope import errors

import samples
from proxy import Proxy
from test_metrics import check

DATA = samples.make("balanced")
PATIENT = ncscope.StreamOptions(timeout=30, resume_timeout=30)


@pytest.fixture
def proxy(server):
    between = Proxy(server.address)
    yield between
    between.close()


@pytest.mark.parametrize("cut_after_bytes", [1, 2_000, 10_000, 25_000, 33_000])
def test_a_cut_connection_loses_and_doubles_nothing(proxy, run_name, cut_after_bytes):
    with (
        ncscope.Client(proxy.address) as client,
        client.stream(run_name, 0, num_classes=6, options=PATIENT) as opened,
    ):
        opened.classifier(DATA.weight, DATA.bias)
        opened.add(DATA.features[:1], DATA.labels[:1])
        opened.flush()
        proxy.cut_after(cut_after_bytes)
        for begin in range(1, 240, 10):
            opened.add(DATA.features[begin : begin + 10], DATA.labels[begin : begin + 10])
    assert opened.batches == 25
    check(opened.report, DATA, 1e-9, "float64")


def test_a_cut_after_each_batch(proxy, run_name):
    with (
        ncscope.Client(proxy.address) as client,
        client.stream(run_name, 0, num_classes=6, options=PATIENT) as opened,
    ):
        opened.classifier(DATA.weight, DATA.bias)
        for begin in range(0, 240, 60):
            opened.add(DATA.features[begin : begin + 60], DATA.labels[begin : begin + 60])
            proxy.cut()
    check(opened.report, DATA, 1e-9, "float64")


def test_a_cut_after_each_batch_that_is_sent_anew(proxy, run_name):
    with ncscope.Client(proxy.address) as client:
        first = client.stream(run_name, 0, num_classes=6, options=PATIENT)
        opened = client.stream(run_name, 0, num_classes=6, options=PATIENT)
        for begin in range(0, 240, 20):
            first.add(DATA.features[begin : begin + 20], DATA.labels[begin : begin + 20])
        first.flush()
        first.cancel()
        for begin in range(0, 240, 20):
            opened.add(DATA.features[begin : begin + 20], DATA.labels[begin : begin + 20])
            call = opened._connection._call
            assert call.wait(lambda call=call: call.acknowledged_from(0) > 0, 20)
            proxy.cut()
            assert call.wait(lambda: False, 20)
        opened.classifier(DATA.weight, DATA.bias)
        check(opened.close(), DATA, 1e-9, "float64")


def test_giving_up_is_an_error_and_no_hang(proxy, run_name):
    options = ncscope.StreamOptions(timeout=30, resume_timeout=0.5)
    with ncscope.Client(proxy.address) as client:
        opened = client.stream(run_name, 0, num_classes=6, options=options)
        opened.add(DATA.features, DATA.labels)
        opened.flush()
        proxy.close()
        begin = time.monotonic()
        with pytest.raises(errors.Unavailable):
            opened.close()
        assert time.monotonic() - begin < 10


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_restarts(own_server, run_name, how):
    """Batches that were not durable are sent again, so none is missing."""
    with (
        ncscope.Client(own_server.address) as client,
        client.stream(run_name, 0, num_classes=6, options=PATIENT) as opened,
    ):
        opened.classifier(DATA.weight, DATA.bias)
        opened.add(DATA.features[:100], DATA.labels[:100])
        opened.flush()
        own_server.stop(how)
        own_server.start(listen=own_server.address)
        opened.add(DATA.features[100:], DATA.labels[100:])
    check(opened.report, DATA, 1e-9, "float64")


def test_batches_that_are_kept_nowhere_are_an_error(own_server, run_name):
    options = ncscope.StreamOptions(timeout=30, resume_timeout=30, keep_bytes=0)
    own_server.stop()
    own_server.start(own_server.address, "--durability", "none")
    with ncscope.Client(own_server.address) as client:
        opened = client.stream(run_name, 0, num_classes=6, options=options)
        opened.add(DATA.features[:100], DATA.labels[:100])
        opened.flush()
        own_server.stop(signal.SIGKILL)
        own_server.start(own_server.address, "--durability", "none")
        with pytest.raises(errors.DataLoss, match="wanting batch 0"):
            opened.flush()


def test_reports_survive_a_restart(own_server, run_name):
    with ncscope.Client(own_server.address) as client:
        with client.stream(run_name, 0, num_classes=6) as opened:
            opened.add(DATA.features, DATA.labels)
            opened.classifier(DATA.weight, DATA.bias)
        assert own_server.stop() == 0
        own_server.start(listen=own_server.address)
        client.wait_ready(30)
        assert client.report(run_name, 0) == opened.report
        np.testing.assert_array_equal(client.statistics(run_name, 0).counts, [40] * 6)


def test_classifiers_are_not_piled_up_for_a_server_that_hangs(own_server, run_name):
    weight = np.ones((600, 500))  # 2.4 MB
    options = ncscope.StreamOptions(in_flight_bytes=1 << 20, timeout=0.5)
    with ncscope.Client(own_server.address) as client:
        opened = client.stream(run_name, 0, num_classes=600, options=options)
        opened.add(np.zeros((600, 500)), np.arange(600))
        opened.flush()
        own_server.process.send_signal(signal.SIGSTOP)
        sent = []

        def send_many():
            for step in range(100):
                opened.classifier(weight)
                sent.append(step)

        with pytest.raises(errors.DeadlineExceeded):
            send_many()
        assert len(sent) < 30
