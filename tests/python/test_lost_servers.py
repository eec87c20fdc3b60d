"""Servers that are lost over and over, that stop under a call, or that a caller leaves."""

import contextlib
import threading
import time

import grpc
import ncscope
import numpy as np
import pytest
from ncscope import connection, errors
from ncscope.connection import MAX_FUTILE_RECOVERIES

from scripted import ScriptedServer

PATIENT = ncscope.StreamOptions(timeout=30, resume_timeout=30)


@contextlib.contextmanager
def scripted(*scripts, **options):
    server = ScriptedServer(scripts, **options)
    try:
        with ncscope.Client(server.address, timeout=30) as client:
            yield server, client
    finally:
        server.stop()


def stream_of(client):
    return client.stream("run", 0, num_classes=2, options=PATIENT)


def add(opened, batches):
    for _ in range(batches):
        opened.add(np.zeros((4, 3)), np.zeros(4, np.int64))


def test_recoveries_that_lead_nowhere_end():
    """Two batches are taken; the third brings the server down each time."""
    again = {"next": 2, "end": 1}
    with scripted({"end": 3}, *[again] * 20) as (server, client):
        opened = stream_of(client)
        add(opened, 5)
        text = r"lost 4 times in a row with 2 batches acknowledged.*card is lost.*its log"
        for _ in range(2):  # and again, without another try
            with pytest.raises(errors.NoProgress, match=text):
                opened.flush()
        assert server.opens == 1 + MAX_FUTILE_RECOVERIES
        assert issubclass(errors.NoProgress, errors.Unavailable)


def test_closes_that_are_lost_each_time_end():
    """Batches that are sent anew, and acknowledged anew, are no progress."""
    with scripted(*[{"next": 0, "end": "close"}] * 20) as (server, client):
        opened = stream_of(client)
        add(opened, 5)
        opened.flush()
        text = r"with 5 batches.*report may still be made"
        with pytest.raises(errors.NoProgress, match=text):
            opened.close()
        assert server.opens <= 2 + MAX_FUTILE_RECOVERIES


def test_calls_that_last_until_they_are_cut_are_not_futile(monkeypatch):
    """A proxy ends each after a while; the server, which has all batches, makes the report."""
    monkeypatch.setattr(connection, "LASTING_CALL", 0.0)
    cuts = 2 * MAX_FUTILE_RECOVERIES
    with scripted(*[{"end": "close"}] * cuts) as (server, client):
        opened = stream_of(client)
        add(opened, 5)
        assert opened.close() is None
        assert server.opens == cuts + 1


def test_a_server_that_is_lost_late_over_the_report_each_time_is_given_up(monkeypatch):
    """It comes back without the batches: no proxy."""
    monkeypatch.setattr(connection, "LASTING_CALL", 0.0)
    with scripted(*[{"next": 0, "end": "close"}] * 20) as (server, client):
        opened = stream_of(client)
        add(opened, 5)
        opened.flush()
        with pytest.raises(errors.NoProgress, match="with 5 batches"):
            opened.close()
        assert server.opens <= 2 + MAX_FUTILE_RECOVERIES


def test_batches_that_the_server_had_before_are_progress_of_this_stream():
    cuts = 2 * MAX_FUTILE_RECOVERIES
    with scripted({"next": 100, "end": 2}, *[{"end": 2}] * (cuts - 1)) as (server, client):
        opened = stream_of(client)
        for _ in range(cuts):  # one of two is acknowledged
            add(opened, 2)
            call = opened._connection._call
            assert call.wait(lambda: False, 20), "the call was not cut"
        add(opened, 1)
        assert opened.close() is None
        assert server.opens == cuts + 1


def test_batches_that_were_not_compared_are_sent_again():
    """The server has five of an earlier stream, and is lost before it says they are the same."""
    with scripted({"next": 5, "end": 1}, {"next": 5, "end": 3}, {"next": 5}) as (server, client):
        with stream_of(client) as opened:
            add(opened, 4)
        # Whether it is lost while the others are on their way, or waited for, is chance.
        assert [call[0] for call in server.calls] == [0, 0, 2]
        assert server.calls[-1] == [2, 3]


def test_batches_that_the_server_had_before_are_progress_once():
    """A server that is lost over the same one each time is given up there too."""
    with scripted({"next": 100, "end": 3}, *[{"next": 2, "end": 1}] * 20) as (server, client):
        opened = stream_of(client)
        add(opened, 5)
        with pytest.raises(errors.NoProgress, match="with 2 batches"):
            opened.close()
        assert server.opens == 1 + MAX_FUTILE_RECOVERIES


def test_recoveries_go_on_as_long_as_batches_are_acknowledged():
    losses = 2 * MAX_FUTILE_RECOVERIES
    with scripted(*[{"end": 1}] * losses) as (server, client):
        opened = stream_of(client)
        add(opened, losses + 1)
        assert opened.close() is None
        assert server.opens == losses + 1


def test_batches_are_kept_until_they_are_durable():
    """Three of them take what may be kept, so that each fourth waits for the server."""
    options = ncscope.StreamOptions(timeout=30, resume_timeout=30, keep_bytes=500)
    with scripted({"durable": 3, "end": 9}, {"durable": 3, "next": 6}) as (server, client):
        opened = client.stream("run", 0, num_classes=2, options=options)
        add(opened, 18)
        assert opened.close() is None
        assert server.opens == 2


def test_a_server_that_makes_nothing_durable_any_more_is_an_error():
    """Letting go of batches that it may lose would be one that nobody sees."""
    options = ncscope.StreamOptions(timeout=0.5, keep_bytes=500)
    script = {"durable": 3}
    with scripted(script) as (_, client):
        opened = client.stream("run", 0, num_classes=2, options=options)
        add(opened, 3)
        opened.flush()
        script["durable"] = 1000
        with pytest.raises(errors.DeadlineExceeded):
            add(opened, 10)
        assert 5 <= opened.batches <= 7


def test_a_server_that_refuses_to_open_is_waited_for():
    """It is shutting down, or its card is lost and it has yet to end: no recovery at all."""
    refusals = 2 * MAX_FUTILE_RECOVERIES
    with scripted({"end": 1}, *[{"end": "open"}] * refusals) as (server, client):
        opened = stream_of(client)
        add(opened, 3)
        assert opened.close() is None
        assert server.opens == refusals + 2


def cancelled_while(end, begun, call):
    """Runs `call` in a thread, and `end` once it has `begun`; returns what it raised, how fast."""
    raised = []

    def work():
        try:
            call()
        except errors.NcscopeError as error:
            raised.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    begun()
    begin = time.monotonic()
    end()
    worker.join(20)
    assert not worker.is_alive(), "what waits was not ended"
    return raised, time.monotonic() - begin


def test_cancel_ends_a_wait_between_two_tries():
    with scripted({"end": 1}, *[{"end": "open"}] * 1000) as (server, client):
        opened = stream_of(client)
        add(opened, 1)

        def begun():
            while server.opens < 4:  # the next try is 0.8 s away
                time.sleep(0.01)
            time.sleep(0.1)

        raised, seconds = cancelled_while(opened.cancel, begun, opened.flush)
        assert [type(error) for error in raised] == [errors.Cancelled]
        assert seconds < 0.5
        assert server.opens == 4


def test_cancel_ends_a_reopening():
    with scripted({"end": 1}, {"end": "hang"}) as (server, client):
        opened = stream_of(client)
        add(opened, 1)
        raised, seconds = cancelled_while(opened.cancel, server.waiting.wait, opened.flush)
        assert [type(error) for error in raised] == [errors.Cancelled]
        assert seconds < 5
        assert server.opens == 2
        with pytest.raises(errors.Cancelled):
            opened.flush()


ENDS = {
    "cancel": (lambda client, opened: opened.cancel(), "the stream was cancelled"),
    "close": (lambda client, opened: client.close(), "the client was closed"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_first_add_that_waits_is_ended(end):
    act, text = ENDS[end]
    with scripted({"end": "hang"}) as (server, client):
        opened = stream_of(client)
        raised, seconds = cancelled_while(
            lambda: act(client, opened), server.waiting.wait, lambda: add(opened, 2)
        )
        assert [(type(error), str(error)) for error in raised] == [(errors.Cancelled, text)]
        assert seconds < 5
        with pytest.raises((errors.Cancelled, errors.FailedPrecondition)):
            add(opened, 1)
        assert server.opens == 1, "a batch was sent afterwards"


def test_a_first_add_that_has_yet_to_open_sends_nothing_after_cancel():
    class Late:
        def __array__(self, *_, **__):
            opened.cancel()  # another thread's, while samples are looked at
            return np.zeros(4, np.int64)

    with scripted() as (server, client):
        opened = stream_of(client)
        with pytest.raises(errors.Cancelled):
            opened.add(np.zeros((4, 3)), Late())
        assert server.opens == 0


def test_a_stream_of_a_client_that_is_closed_is_cancelled():
    with scripted() as (_, client):
        fresh, begun = stream_of(client), stream_of(client)
        add(begun, 1)
        client.close()
        for call in (lambda: add(fresh, 1), begun.flush, begun.close):
            with pytest.raises(errors.Cancelled, match="the client was closed"):
                call()


def test_calls_that_a_stopping_server_cancels_are_unavailable():
    with scripted() as (_, client):
        for call in (
            lambda: client.report("run", 0),
            client.runs,
            lambda: client.reports("run"),
            lambda: client.delete("run"),
            lambda: client.statistics("run", 0),
            lambda: list(client.watch("run")),
        ):
            with pytest.raises(errors.Unavailable, match="the server ended the call"):
                call()


@pytest.mark.parametrize("name", ["report", "watch", "statistics"])
def test_calls_of_a_client_that_is_closed_are_cancelled(name):
    with scripted(others="hang") as (server, client):
        call = {
            "report": lambda: client.report("run", 0),
            "watch": lambda: list(client.watch("run")),
            "statistics": lambda: client.statistics("run", 0),
        }[name]
        closer = threading.Thread(target=lambda: (server.waiting.wait(), client.close()))
        closer.start()
        with pytest.raises(errors.Cancelled):
            call()
        closer.join(20)


def test_a_refusal_to_open_anew_is_said():
    """One that is a ValueError, as is gRPC's own for a client that was closed."""
    refusal = (grpc.StatusCode.INVALID_ARGUMENT, "expected dim d in [1, 2]")
    with scripted({"end": 1}, {"end": "open", "status": refusal}) as (_, client):
        opened = stream_of(client)
        add(opened, 1)
        with pytest.raises(errors.InvalidArgument, match="dim d"):
            opened.flush()


REPORTED_MEANWHILE = (
    {"end": "close"},
    {"end": "open", "status": (grpc.StatusCode.ALREADY_EXISTS, "is reported already")},
)


@pytest.mark.parametrize("end", ENDS)
def test_the_fetching_of_a_report_that_was_made_meanwhile_is_ended(end):
    act, text = ENDS[end]
    with scripted(*REPORTED_MEANWHILE, others="hang") as (server, client):
        opened = stream_of(client)
        add(opened, 1)
        raised, seconds = cancelled_while(
            lambda: act(client, opened), server.waiting.wait, opened.close
        )
        assert [(type(error), str(error)) for error in raised] == [(errors.Cancelled, text)]
        assert seconds < 5


def test_a_server_that_stops_before_it_gives_that_report_is_unavailable():
    with scripted(*REPORTED_MEANWHILE) as (_, client):
        opened = stream_of(client)
        add(opened, 1)
        with pytest.raises(errors.Unavailable, match="the server ended the call"):
            opened.close()
