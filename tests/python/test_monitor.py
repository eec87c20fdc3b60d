"""A monitor in a training loop, without a framework: what it measures, and what it refuses."""

import logging
import multiprocessing
import os

import ncscope
import numpy as np
import pytest
from ncscope import errors

from trainers import CLASSES, DIM, Program, expected, measure, same_numbers, samples_of

ROWS = np.zeros((3, DIM), np.float32)


@pytest.fixture
def options(tmp_path):
    return ncscope.MonitorOptions(spool_dir=tmp_path / "spool")


@pytest.fixture
def monitor(server, run_name, options):
    with ncscope.Monitor(
        run=run_name, server=server.address, num_classes=CLASSES, options=options
    ) as made:
        yield made
    assert not options.spool_dir.exists()


def test_reports_are_those_of_a_plain_stream(monitor, client, run_name):
    futures = [measure(monitor, epoch) for epoch in range(3)]
    for epoch, future in enumerate(futures):
        same_numbers(future.result(30), expected(client, run_name + ".plain", epoch))
        assert (future.result().run, future.result().epoch) == (run_name, epoch)
        assert future.result().nc4.agreement is not None
    assert "done" in repr(futures[0])


def test_a_loop_without_with(monitor):
    features, labels, _ = samples_of(0)
    monitor.begin_epoch(4, "test")
    for row in range(0, 600, 200):
        monitor.observe(features[row : row + 200], labels[row : row + 200])
    report = monitor.end_epoch().result(30)
    assert (report.epoch, report.split, report.data.samples) == (4, "test", 600)
    assert report.nc4.agreement is None


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "bfloat16"])
def test_element_types(monitor, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    features = (10 * samples_of(0)[0]).round().astype(kind)
    with monitor.epoch(0) as epoch:
        epoch.observe(features, samples_of(0)[1].astype(np.uint8))
    wanted = "float32" if dtype == "int32" else dtype
    assert epoch.future.result(30).conventions.input_type == wanted


def test_batches_of_any_size_and_layout(monitor, client, run_name):
    features, labels, _ = samples_of(0, rows=30_000)
    with monitor.epoch(0) as epoch:
        epoch.observe(features[:0], labels[:0])
        epoch.observe(np.asfortranarray(features[:1]), labels[:1])
        epoch.observe(features[1:20_002].reshape(-1, 3, DIM), labels[1:20_002].reshape(-1, 3))
        epoch.observe(features[20_002:], list(labels[20_002:]))
    report = epoch.future.result(30)
    assert report.data.samples == 30_000
    plain = expected(client, run_name + ".plain", 0, rows=30_000)
    assert report.nc1.pinv == pytest.approx(plain.nc1.pinv, rel=1e-9)


def test_arrays_may_change_after_observe(monitor, client, run_name):
    features, labels, weight = samples_of(0)
    place, names = np.empty((100, DIM), np.float32), np.empty(100, np.int64)
    with monitor.epoch(0) as epoch:
        for row in range(0, 600, 100):
            place[:], names[:] = features[row : row + 100], labels[row : row + 100]
            epoch.observe(place, names)
            place[:], names[:] = np.nan, -1
        epoch.classifier(weight)
    same_numbers(epoch.future.result(30), expected(client, run_name + ".plain", 0))


def test_values_that_are_not_usable_are_skipped_and_counted(monitor):
    features, labels, _ = samples_of(0)
    features[3, 2], features[9, 0], labels[11] = np.nan, np.inf, -100
    with monitor.epoch(0) as epoch:
        epoch.observe(features, labels)
    data = epoch.future.result(30).data
    assert (data.samples, data.skipped_nonfinite, data.ignored) == (597, 2, 1)


def test_samples_that_came_before_are_left_out(server, run_name, options):
    # As a DistributedSampler repeats them, so that ranks have the same number.
    features, labels, _ = samples_of(0, rows=101)
    ids = np.arange(101)
    monitors = [
        ncscope.Monitor(
            run=run_name,
            server=server.address,
            num_classes=CLASSES,
            rank=rank,
            world_size=4,
            options=options,
        )
        for rank in range(4)
    ]
    futures = []
    for rank, each in enumerate(monitors):
        own = np.arange(rank, 104, 4) % 101
        with each.epoch(0) as epoch:
            epoch.observe(features[own], labels[own], sample_ids=ids[own])
        futures.append(epoch.future)
    report = futures[0].result(30)
    assert report.data.samples == 101
    assert [each.code for each in report.warnings if "duplicate" in each.code]
    for each in monitors:
        each.close()
    # The rank that closed last has the report too; the others have none, and no error.
    assert sum(future.result(1) is not None for future in futures) in (1, 2)


def test_what_the_server_refuses_is_told_by_the_future(monitor, caplog):
    features, labels, _ = samples_of(0)
    with monitor.epoch(0) as epoch:
        epoch.observe(features, labels + 2)
    with pytest.raises(errors.InvalidArgument, match=r"label"):
        epoch.future.result(30)
    assert "epoch 0 train" in caplog.text
    assert measure(monitor, 1).result(30).data.samples == 600


@pytest.mark.parametrize(
    ("features", "labels", "text"),
    [
        (ROWS, np.zeros(2, int), r"expected 3 labels, one for each feature; got shape \[2\]"),
        (ROWS, np.zeros((1, 3), int), r"got shape \[1, 3\]"),
        (ROWS.reshape(1, 3, DIM), np.zeros((3, 2), int), r"expected 3 labels.*got shape \[3, 2\]"),
        (ROWS, np.zeros(3), "expected labels of an integer type; got float64"),
        (ROWS[:, :7], np.zeros(3, int), "expected features of dimension 24; got 7"),
        (ROWS[0, 0], np.zeros(1, int), r"expected features of shape \[n, d\]; got \[\]"),
        (ROWS.astype(np.float64), np.zeros(3, int), "of float32, as before; got float64"),
        (np.array([["a"] * DIM]), np.zeros(1, int), "expected features that are num"),
    ],
)
def test_mistakes_are_logged_once_and_raised_by_the_future(monitor, caplog, features, labels, text):
    good, names, _ = samples_of(0)
    with monitor.epoch(0) as epoch:
        epoch.observe(good, names)
        epoch.observe(features, labels)
        epoch.observe(features, labels)
    with pytest.raises(Exception, match=text):
        epoch.future.result(30)
    assert caplog.text.count("is not measured") == 1
    assert measure(monitor, 0).result(30).data.samples == 600


def test_strict_raises_mistakes(server, run_name, options):
    with (
        ncscope.Monitor(
            run=run_name,
            server=server.address,
            num_classes=CLASSES,
            options=options,
            strict=True,
        ) as strict,
        pytest.raises(errors.InvalidArgument, match="one for each feature"),
        strict.epoch(0) as epoch,
    ):
        epoch.observe(np.zeros((3, DIM)), np.zeros(2, int))


def test_arrays_that_only_numpy_reads(monitor):
    features, labels, _ = samples_of(0, rows=10)
    with monitor.epoch(0) as epoch:
        epoch.observe(features.tolist(), labels.tolist())
        epoch.observe(features.astype(np.float16), labels[:, None])  # which float64 holds
    report = epoch.future.result(30)
    assert (report.data.samples, report.conventions.input_type) == (20, "float64")


@pytest.mark.parametrize(("epoch", "split"), [(-1, "train"), (1.5, "train"), (0, None)])
def test_epochs_that_there_are_not(monitor, epoch, split, caplog):
    with monitor.epoch(epoch, split) as measured:
        measured.observe(*samples_of(0)[:2])
    with pytest.raises(errors.InvalidArgument):
        measured.future.result(1)
    assert caplog.text.count("not measured") == 1
    assert measure(monitor, 0).result(30).data.samples == 600


def test_an_epoch_that_is_measured_twice(monitor, client, run_name):
    futures = [measure(monitor, 0, rows=600 + more) for more in range(3)]
    assert [future.result(30).data.samples for future in futures] == [600, 601, 602]
    assert client.report(run_name, 0).data.samples == 602


def test_the_classifier_may_change_after_it_was_given(monitor, client, run_name):
    features, labels, weight = samples_of(0)
    for number in range(5):
        own = weight.copy()
        with monitor.epoch(number) as epoch:
            epoch.observe(features, labels)
            epoch.classifier(own)
        own[:] = 7
        plain = expected(client, run_name + ".plain", 0)
        assert epoch.future.result(30).nc3.distance == pytest.approx(plain.nc3.distance, rel=1e-9)


def test_an_epoch_that_idles_does_not_hold_up_others(server, run_name, tmp_path):
    options = ncscope.MonitorOptions(
        spool_dir=tmp_path / "spool", queue_bytes=64 << 20, patience=30
    )
    with ncscope.Monitor(
        run=run_name, server=server.address, num_classes=CLASSES, options=options
    ) as made:
        with made.epoch(0) as idle:
            idle.observe(*samples_of(0)[:2])
            future = measure(made, 0, "test", rows=1_000_000, batch=5000)  # 104 MB
            idle.observe(*samples_of(0)[:2])
        assert idle.future.result(30).data.samples == 1200
        report = future.result(60)
        assert (report.data.samples, report.partial) == (1_000_000, False)


class Interrupts:
    """Labels that something comes in between of."""

    def __init__(self, values, action):
        self._values = values
        self._action = action

    def __array__(self, *_, **__):
        self._action()
        return self._values


def test_interrupts_within_observe(monitor):
    def interrupt():
        raise KeyboardInterrupt

    features, labels, _ = samples_of(0)
    epoch = monitor.begin_epoch(0)
    epoch.observe(features, labels)
    with pytest.raises(KeyboardInterrupt):
        epoch.observe(features, Interrupts(labels, interrupt))
    epoch.observe(features, labels)
    with pytest.raises(errors.FailedPrecondition, match="interrupted by KeyboardInterrupt"):
        monitor.end_epoch().result(30)
    # A signal's handler that uses the same epoch.
    epoch = monitor.begin_epoch(1)
    epoch.observe(features, labels)
    epoch.observe(features, Interrupts(labels, monitor.end_epoch))
    with pytest.raises(errors.FailedPrecondition, match="interrupted by another use"):
        epoch.future.result(30)
    assert measure(monitor, 2).result(30).data.samples == 600


def test_epochs_after_the_end(server, run_name, options):
    made = ncscope.Monitor(
        run=run_name, server=server.address, num_classes=CLASSES, options=options
    )
    begun, unused = made.epoch(0), made.epoch(1)
    begun.__enter__()
    begun.observe(*samples_of(0)[:2])
    # Closing from where a report is waited for.
    future = measure(made, 2)
    future.add_done_callback(lambda done: made.close())
    future.result(30)
    made.close()
    for epoch in (begun, unused):
        epoch.observe(*samples_of(0)[:2])
        assert isinstance(epoch.end().exception(5), errors.NcscopeError)


def test_epochs_that_are_left_keep_nothing(monitor, client, run_name):
    for number in range(20):
        with monitor.epoch(number) as epoch:
            epoch.observe(*samples_of(number)[:2])
            epoch.abandon("the test says so")
    assert measure(monitor, 20).result(30).data.samples == 600
    assert len(os.listdir(f"/proc/{monitor.helper_pid}/task")) < 30


def test_calls_out_of_order(monitor, caplog):
    monitor.observe(np.zeros((3, DIM)), np.zeros(3, int))
    assert "without begin_epoch" in caplog.text
    with pytest.raises(errors.FailedPrecondition, match="begin_epoch"):
        monitor.end_epoch().result(1)
    with monitor.epoch(0) as epoch:
        pass
    with pytest.raises(errors.FailedPrecondition, match="no samples"):
        epoch.future.result(5)
    with monitor.epoch(1) as epoch:
        epoch.labels([1, 2])
    with pytest.raises(errors.FailedPrecondition, match="needs a monitor with a model"):
        epoch.future.result(5)


def test_an_epoch_that_an_exception_leaves_is_not_reported(monitor):
    epoch = monitor.epoch(0)

    def left():
        with epoch:
            epoch.observe(*samples_of(0)[:2])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        left()
    with pytest.raises(errors.FailedPrecondition, match="left by ZeroDivisionError"):
        epoch.future.result(5)
    assert measure(monitor, 0).result(30).data.samples == 600


def test_the_constructor_raises(server):
    with pytest.raises(errors.InvalidArgument, match="num_classes"):
        ncscope.Monitor(run="r", server=server.address)
    with pytest.raises(errors.InvalidArgument, match=r"rank in \[0, 2\); got 2"):
        ncscope.Monitor(run="r", num_classes=3, rank=2, world_size=2)
    with pytest.raises(errors.InvalidArgument, match="expected run of"):
        ncscope.Monitor(run="a/b", num_classes=3)
    with pytest.raises(errors.InvalidArgument, match="expected weighting of"):
        ncscope.Monitor(run="r", num_classes=3, weighting="none")
    with pytest.raises(errors.InvalidArgument, match="queue_bytes of at least"):
        ncscope.Monitor(run="r", num_classes=3, options=ncscope.MonitorOptions(queue_bytes=1 << 20))


def test_a_run_that_was_streamed_before_is_replaced(server, client, run_name, options, caplog):
    for times in range(3):
        with ncscope.Monitor(
            run=run_name, server=server.address, num_classes=CLASSES, options=options
        ) as again:
            futures = [measure(again, epoch, rows=600 + times) for epoch in range(2)]
            for future in futures:
                report = future.result(30)
                assert (report.attempt, report.data.samples) == (times, 600 + times)
    assert client.report(run_name, 1).attempt == 2
    assert "replaced by attempt 2" in caplog.text


def test_a_run_that_was_streamed_with_other_settings_is_replaced(server, client, run_name, options):
    for split, reports in (("train", True), ("test", False)):
        stream = client.stream(run_name, 0, split, num_classes=7, dim=3, dtype="float32")
        stream.add(np.ones((2, 3), np.float32), [5, 6])
        stream.flush()
        if reports:
            stream.close()
        with ncscope.Monitor(
            run=run_name, server=server.address, num_classes=CLASSES, options=options
        ) as again:
            report = measure(again, 0, split).result(30)
            assert (report.attempt, report.data.num_classes) == (1, CLASSES)


def test_settings_that_the_server_refuses(server, run_name, options, caplog):
    with ncscope.Monitor(
        run=run_name, server=server.address, num_classes=2_000_000_000, options=options
    ) as wrong:
        with wrong.epoch(0) as epoch:
            epoch.observe(*samples_of(0)[:2])
        error = epoch.future.exception(30)
    assert isinstance(error, errors.InvalidArgument)
    assert "num_classes" in str(error)
    assert "replaced" not in caplog.text


def test_an_attempt_that_is_given_is_kept(server, run_name, options):
    for text in ("", "is reported already"):
        with ncscope.Monitor(
            run=run_name, server=server.address, num_classes=CLASSES, options=options, attempt=3
        ) as given:
            future = measure(given, 0, rows=601 if text else 600)
            if text:
                with pytest.raises(errors.AlreadyExists, match=text):
                    future.result(30)
            else:
                assert future.result(30).attempt == 3


def test_a_checkpoint_carries_the_attempt(monitor, server, run_name, options):
    measure(monitor, 0).result(30)
    measure(monitor, 1).result(30)
    state = monitor.state_dict()
    assert state == {"run": run_name, "epoch": 1, "attempt": 0}
    with ncscope.Monitor(
        run=run_name, server=server.address, num_classes=CLASSES, options=options
    ) as resumed:
        resumed.load_state_dict(state)
        assert measure(resumed, 1, rows=500).result(30).attempt == 1
        with pytest.raises(errors.InvalidArgument, match="expected a checkpoint of run"):
            resumed.load_state_dict({**state, "run": "another"})


def test_the_launcher_says_rank_and_attempt(monkeypatch):
    for name, value in (("RANK", "2"), ("WORLD_SIZE", "4"), ("TORCHELASTIC_RESTART_COUNT", "5")):
        monkeypatch.setenv(name, value)
    made = ncscope.Monitor(run="r", num_classes=2, disabled=True)
    assert (made.rank, made.world_size, made.attempt) == (2, 4, 5)
    monkeypatch.setenv("RANK", "two")
    with pytest.raises(errors.InvalidArgument, match="expected a number in RANK; got 'two'"):
        ncscope.Monitor(run="r", num_classes=2, disabled=True)


def test_disabled_does_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("NCSCOPE_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    made = ncscope.Monitor(run="r", num_classes=CLASSES)
    future = measure(made, 0)
    assert made.helper_pid is None
    with pytest.raises(errors.FailedPrecondition, match="disabled"):
        future.result(1)
    assert made.close() is None
    assert not list(tmp_path.iterdir())


def test_what_waits_for_a_report_may_fail(monitor, caplog):
    seen = []
    future = measure(monitor, 0)
    future.add_done_callback(lambda done: 1 / 0)
    future.add_done_callback(lambda done: seen.append(done.result().data.samples))
    future.result(30)
    assert measure(monitor, 1).result(30).data.samples == 600
    assert seen == [600]


def test_a_child_of_the_training_leaves_the_helper_alone(monitor, client, run_name):
    with monitor.epoch(0) as epoch:
        epoch.observe(*samples_of(0)[:2])
        for _ in range(3):  # as a DataLoader forks its workers
            child = multiprocessing.get_context("fork").Process(target=_use, args=(epoch,))
            child.start()
            child.join(20)
            assert child.exitcode == 0
        epoch.observe(*samples_of(0)[:2])
    with client.stream(run_name + ".plain", 0, num_classes=CLASSES) as plain:
        for _ in range(2):
            plain.add(*samples_of(0)[:2])
    same_numbers(epoch.future.result(30), plain.report)


def _use(epoch):
    epoch.observe(*samples_of(1)[:2])
    epoch.end()


def test_a_program_that_does_not_close_its_monitor(server, client, run_name, tmp_path):
    program = Program(
        """
        monitor = ncscope.Monitor(run=sys.argv[2], server=sys.argv[1], num_classes=5)
        trainers.measure(monitor, 0)
        say(helper=monitor.helper_pid)
        """,
        server.address,
        run_name,
        folder=tmp_path,
    )
    assert program.finish()[0]["helper"] > 0
    assert client.report(run_name, 0).data.samples == 600
    assert "ncscope" not in program.errors.read_text()


def test_the_module_says_nothing_by_itself(monitor, caplog):
    caplog.set_level(logging.WARNING)
    measure(monitor, 0).result(30)
    assert caplog.text == ""
