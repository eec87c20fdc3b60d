"""Reports in the trackers of experiments, read back from what their own libraries wrote."""

import json
import math
import struct
import threading
import time

import ncscope
import pytest
from ncscope import Report, errors
from ncscope.headline import HEADLINE, headline
from ncscope.monitor.logged import MOST_HELD
from ncscope.trackers import Wandb, numbers
from trainers import CLASSES, Program, measure, samples_of, wait_until

EPOCHS = 3


@pytest.fixture
def make_monitor(server, run_name, tmp_path):
    """Monitors of one run; closed at the end."""
    made = []

    def make(**options):
        options.setdefault("options", ncscope.MonitorOptions(spool_dir=tmp_path / "spool"))
        options.setdefault("server", server.address)
        made.append(ncscope.Monitor(run=run_name, num_classes=CLASSES, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def train(monitor):
    """Measures both splits of some epochs; returns the reports after all were logged."""
    futures = []
    for epoch in range(EPOCHS):
        futures += [measure(monitor, epoch), measure(monitor, epoch, "test")]
    reports = [future.result(30) for future in futures]
    monitor.close(30)
    return reports


def expected_points(reports):
    """{name: {epoch: value}} of all reports."""
    points = {}
    for report in reports:
        for path, value in headline(report).items():
            name = f"ncscope/{report.split}/{path}"
            points.setdefault(name, {})[report.epoch] = value
    assert {"ncscope/train/nc1.pinv", "ncscope/test/test_collapse.weak"} < points.keys()
    assert "ncscope/train/test_collapse.weak" not in points
    assert len(points["ncscope/test/nc4.ncc_accuracy"]) == EPOCHS
    return points


def same_points(got, wanted, rel=1e-6):
    assert got.keys() == wanted.keys()
    for name, series in wanted.items():
        assert got[name] == pytest.approx(series, rel=rel, abs=1e-12), name


# TensorBoard


@pytest.mark.parametrize("package", ["torch.utils.tensorboard", "tensorboardX"])
def test_tensorboard(make_monitor, tmp_path, package):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    writer = pytest.importorskip(package).SummaryWriter(str(tmp_path / "events"))
    monitor = make_monitor()
    monitor.log_to(writer)
    reports = train(monitor)
    if package == "tensorboardX":  # its flush() leaves what is in its queue
        writer.close()
    events = accumulators.EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    got = {
        name: {event.step: event.value for event in events.Scalars(name)}
        for name in events.Tags()["scalars"]
    }
    same_points(got, expected_points(reports))
    writer.close()


# Weights & Biases


@pytest.fixture
def wandb_run(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    run = wandb.init(mode="offline", dir=str(tmp_path), project="tests")
    yield run
    run.finish()


def records_of(folder):
    """What an offline run's file holds, once it is complete: a process of wandb writes it."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 20
    while True:
        data = [wandb_internal_pb2.Record.FromString(each) for each in logged(path.read_bytes())]
        if any(record.HasField("exit") for record in data):
            return data
        assert time.monotonic() < deadline, "wandb did not end its file"
        time.sleep(0.1)


def logged(file):
    """The records of a file in the log format of LevelDB: blocks of 32 KiB, after 7 bytes."""
    at, record = 7, b""
    while at + 7 <= len(file):
        if 0 < -at % 32768 < 7:  # no header fits into the rest of the block
            at += -at % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", file, at)
        if at + 7 + size > len(file):
            return
        record += file[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # all of a record, or its last part
            yield record
            record = b""


def rows_of(folder):
    """The rows of history and the step metrics that an offline run's file holds."""
    rows, metrics = [], {}
    for record in records_of(folder):
        if record.HasField("history"):
            items = record.history.item
            rows.append(
                {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in items
                }
            )
        elif record.HasField("metric"):
            name = record.metric.name or record.metric.glob_name
            metrics[name] = record.metric.step_metric
    return rows, metrics


def small_report(epoch, split="train"):
    key = f'{{"run": "r", "epoch": {epoch}, "split": "{split}", "layer": "features"}}'
    return Report.from_json(f'{{"key": {key}, "nc1": {{"pinv": {epoch}.5}}}}')


def points_of_rows(rows):
    """{name: {epoch: value}} as a chart over the splits' epochs shows them."""
    points = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith("ncscope/") and not name.endswith("/epoch"):
                epoch = row["/".join([*name.split("/")[:2], "epoch"])]
                assert epoch not in points.setdefault(name, {})
                points[name][epoch] = value
    return points


def test_wandb(make_monitor, wandb_run, tmp_path):
    monitor = make_monitor()
    monitor.log_to(wandb_run)
    reports = train(monitor)
    wandb_run.finish()
    rows, metrics = rows_of(tmp_path)
    same_points(points_of_rows(rows), expected_points(reports), rel=1e-12)
    for split in ("train", "test"):
        assert metrics[f"ncscope/{split}/*"] == f"ncscope/{split}/epoch"


def test_wandb_rows_of_the_training_are_kept(make_monitor, wandb_run, tmp_path):
    # It numbers its rows by epochs: a row committed by another would take the number of the next.
    monitor = make_monitor()
    monitor.log_to(wandb_run)
    wandb_run.log({"loss": 100.0}, step=0)
    reports = []
    for epoch in range(EPOCHS):
        reports += [measure(monitor, epoch, split).result(30) for split in ("train", "test")]
        wandb_run.log({"loss": 1.0 / (1 + epoch)}, step=epoch + 1)
    monitor.close(30)
    wandb_run.finish()
    rows, _ = rows_of(tmp_path)
    losses = {row["_step"]: row["loss"] for row in rows if "loss" in row}
    assert losses == {0: 100.0, 1: 1.0, 2: 0.5, 3: pytest.approx(1 / 3)}
    same_points(points_of_rows(rows), expected_points(reports), rel=1e-12)


@pytest.mark.parametrize("explicit", [True, False])
def test_wandb_while_the_training_logs_all_the_time(wandb_run, tmp_path, explicit):
    tracker, over = Wandb(wandb_run, "nc"), threading.Event()

    def run_training():
        for step in range(1000):
            wandb_run.log({"loss": float(step)}, **({"step": step} if explicit else {}))
            time.sleep(0.003)
            if over.is_set():
                return

    training = threading.Thread(target=run_training)
    training.start()
    for epoch in range(12):
        for split in ("train", "test"):
            tracker.log(small_report(epoch, split))
    over.set()
    training.join()
    tracker.close()
    wandb_run.finish()
    rows, _ = rows_of(tmp_path)
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses == list(range(len(losses)))
    for split in ("train", "test"):
        found = [row for row in rows if f"nc/{split}/epoch" in row]
        points = {row[f"nc/{split}/epoch"]: row[f"nc/{split}/nc1.pinv"] for row in found}
        assert points == {epoch: epoch + 0.5 for epoch in range(12)}


def test_wandb_reports_that_come_at_once_wait_for_rows_of_the_training(wandb_run, tmp_path):
    reports = [small_report(epoch) for epoch in range(5)]
    tracker = Wandb(wandb_run, "nc")
    wandb_run.log({"loss": 0.0}, step=0)
    tracker.log(reports[0])
    wandb_run.log({"loss": 1.0}, step=1)
    for report in (reports[2], reports[1], reports[3]):
        tracker.log(report)
    wandb_run.log({"loss": 2.0}, step=2)
    tracker.log(reports[4])
    wandb_run.log({"loss": 3.0}, step=3)
    tracker.close()
    wandb_run.finish()
    rows, _ = rows_of(tmp_path)
    assert [row["loss"] for row in rows if "loss" in row] == [0.0, 1.0, 2.0, 3.0]
    points = {
        row["nc/train/epoch"]: row["nc/train/nc1.pinv"] for row in rows if "nc/train/epoch" in row
    }
    assert points == {epoch: epoch + 0.5 for epoch in range(5)}


# MLflow


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 wants it
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    yield mlflow
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("target", ["module", "run", "id"])
def test_mlflow(make_monitor, mlflow, target):
    run = mlflow.start_run()
    run_id = run.info.run_id
    monitor = make_monitor()
    monitor.log_to({"module": mlflow, "run": run, "id": run_id}[target])
    mlflow.end_run()
    mlflow.start_run()  # another one is active when reports come
    reports = train(monitor)
    stored = mlflow.tracking.MlflowClient()
    wanted = expected_points(reports)
    got = {
        name: {each.step: each.value for each in stored.get_metric_history(run_id, name)}
        for name in stored.get_run(run_id).data.metrics
    }
    same_points(got, wanted, rel=1e-12)
    assert not stored.get_run(mlflow.active_run().info.run_id).data.metrics


def test_mlflow_without_a_run(make_monitor, mlflow, caplog):
    make_monitor().log_to(mlflow)
    assert "needs an active run" in caplog.text
    with pytest.raises(errors.InvalidArgument, match="needs an active run"):
        make_monitor(strict=True).log_to(mlflow)


# Aim


def test_aim(make_monitor, tmp_path):
    aim = pytest.importorskip("aim")
    run = aim.Run(repo=str(tmp_path / "aim"), system_tracking_interval=None)
    monitor = make_monitor()
    monitor.log_to(run)
    reports = train(monitor)
    run_hash = run.hash
    run.close()
    got = {}
    for metric in aim.Repo(str(tmp_path / "aim")).get_run(run_hash).metrics():
        if metric.name.startswith("ncscope/"):
            frame = metric.dataframe()
            got[metric.name] = dict(zip(frame["step"], frame["value"], strict=True))
    same_points(got, expected_points(reports))


# What trackers have in common


def test_a_function_gets_every_report_in_a_thread_of_the_monitor(make_monitor):
    seen = []
    monitor = make_monitor()
    monitor.log_to(lambda report: seen.append((report, threading.current_thread().name)))
    reports = train(monitor)
    for split in ("train", "test"):
        assert [report.epoch for report, _ in seen if report.split == split] == list(range(EPOCHS))
    assert len(seen) == len(reports)
    assert {name for _, name in seen} == {"ncscope-reports"}


def test_reports_come_in_the_order_of_epochs(make_monitor):
    seen = []
    monitor = make_monitor()
    monitor.log_to(lambda report: seen.append(report.epoch))
    features, labels, _ = samples_of(0)
    held = monitor.epoch(0)
    held.observe(features, labels)
    for epoch in range(1, 4):
        measure(monitor, epoch).result(30)
    assert seen == []
    held.end().result(30)
    monitor.epoch(4)  # never used
    for epoch in range(5, 5 + MOST_HELD + 2):
        measure(monitor, epoch).result(30)
    wait_until(lambda: len(seen) >= 6)  # one that never comes does not hold up all
    monitor.close(30)
    assert seen == [*range(4), *range(5, 5 + MOST_HELD + 2)]


def test_what_a_tracker_raises_is_logged_once(make_monitor, caplog):
    seen = []

    def fails(report):
        raise ZeroDivisionError(f"epoch {report.epoch}")

    monitor = make_monitor()
    monitor.log_to(fails)
    monitor.log_to(seen.append)
    reports = train(monitor)
    assert len(seen) == len(reports)
    assert caplog.text.count("could not be logged") == 1
    assert "log_to(fails): a report could not be logged" in caplog.text
    assert "ZeroDivisionError: epoch 0" in caplog.text


def test_a_report_of_an_epoch_that_ended_before_is_logged(make_monitor):
    monitor, seen = make_monitor(), []
    measure(monitor, 0).result(30)
    epoch = monitor.begin_epoch(1)
    monitor.log_to(seen.append)
    epoch.abandon("not this one")
    measure(monitor, 2)
    monitor.close(30)
    assert [report.epoch for report in seen] == [2]


def test_close_waits_for_trackers_up_to_its_timeout(make_monitor):
    seen, hold = [], threading.Event()

    def slow(report):
        time.sleep(0.5)
        seen.append(report.epoch)

    monitor = make_monitor()
    monitor.log_to(slow)
    for epoch in range(EPOCHS):
        measure(monitor, epoch)
    monitor.close(30)
    assert seen == list(range(EPOCHS))

    stuck = make_monitor()
    stuck.log_to(lambda report: hold.wait(60))
    measure(stuck, 10)
    begin = time.monotonic()
    stuck.close(2)
    assert time.monotonic() - begin < 10
    hold.set()


def test_training_does_not_wait_for_a_tracker(make_monitor):
    hold = threading.Event()
    monitor = make_monitor()
    monitor.log_to(lambda report: hold.wait(60))
    begin = time.monotonic()
    for epoch in range(20):
        measure(monitor, epoch)
    assert time.monotonic() - begin < 10
    hold.set()


def test_only_rank_0_logs(make_monitor, caplog):
    seen = []
    ranks = [make_monitor(rank=rank, world_size=2) for rank in range(2)]
    ranks[0].log_to(seen.append)
    ranks[1].log_to(seen.append)
    ranks[1].log_to(None)  # as where only rank 0 makes a tracker
    for rank in ranks:
        measure(rank, 0, rank=rank.rank)
    for rank in ranks:
        rank.close(30)
    assert [report.world_size for report in seen] == [2]
    assert "log_to" not in caplog.text
    assert "expected a SummaryWriter" not in caplog.text


@pytest.mark.parametrize("target", [None, 3, object()])
def test_what_is_no_tracker(make_monitor, caplog, target):
    make_monitor().log_to(target)
    assert "expected a SummaryWriter" in caplog.text
    with pytest.raises(errors.InvalidArgument, match="expected a SummaryWriter"):
        make_monitor(strict=True).log_to(target)


def test_a_disabled_monitor_logs_nothing(make_monitor):
    seen = []
    monitor = make_monitor(disabled=True)
    monitor.log_to(seen.append)
    measure(monitor, 0)
    monitor.close()
    assert seen == []


def test_names(make_monitor):
    text = (
        '{"key": {"run": "r", "epoch": 3, "split": "test", "layer": "%s"},'
        ' "nc1": {"pinv": 0.25}, "nc4": {"agreement": 0}}'
    )
    report = Report.from_json(text % "features")
    assert numbers(report, "nc") == {"nc/test/nc1.pinv": 0.25, "nc/test/nc4.agreement": 0.0}
    assert "test/nc1.pinv" in numbers(report, "")
    assert "nc/block3/test/nc1.pinv" in numbers(Report.from_json(text % "block3"), "nc")


def test_headline_metrics_are_numbers_of_reports(make_monitor):
    monitor = make_monitor()
    report = measure(monitor, 0).result(30)
    values = headline(report)
    for path, _ in HEADLINE:
        assert path in values or report.why(path) or report.split == "train", path
    assert all(math.isfinite(value) for value in values.values())


def test_no_library_is_imported_for_others(server, run_name, tmp_path):
    program = Program(
        """
        monitor = ncscope.Monitor(run=sys.argv[2], server=sys.argv[1], num_classes=5)
        seen = []
        monitor.log_to(seen.append)
        trainers.measure(monitor, 0)
        monitor.close(30)
        names = ("torch", "wandb", "mlflow", "aim", "tensorboard", "tensorboardX", "pandas")
        say(seen=len(seen), imported=[name for name in names if name in sys.modules])
        """,
        server.address,
        run_name,
        folder=tmp_path,
    )
    assert program.finish() == [{"seen": 1, "imported": []}]


def test_a_program_that_closes_neither_monitor_nor_tracker(server, run_name, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_SERVICE", raising=False)  # that of this process
    program = Program(
        """
        import wandb
        monitor = ncscope.Monitor(run=sys.argv[2], server=sys.argv[1], num_classes=5)
        run = wandb.init(mode="offline", dir=sys.argv[3], project="tests")
        monitor.log_to(run)
        trainers.measure(monitor, 0)
        """,
        server.address,
        run_name,
        tmp_path,
        folder=tmp_path,
        environment={"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"},
    )
    assert program.finish() == []
    rows, _ = rows_of(tmp_path)
    assert "nc1.pinv" in str(points_of_rows(rows).keys())
    assert "could not be logged" not in program.errors.read_text()
