"""Logs reports to the trackers of experiments: TensorBoard, Weights & Biases, MLflow, Aim.

Each library is imported only where a tracker of it is given, which means that it is there. What
logs is called from one thread at a time, which is not the training's. To add a tracker: a class
with `log` and `close`, and how its targets are recognised, in KINDS.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from .errors import InvalidArgument
from .headline import headline
from .report import Report

log = logging.getLogger("ncscope")

# Seconds that a call of the training to wandb takes at most: it tells the step before the row is
# there, or after. An estimate; where it is too short a report may replace one in the same row.
SETTLE = 0.02


class Tracker(Protocol):
    """Where reports go."""

    def log(self, report: Report) -> None:
        """Logs one report; may take time, and may raise."""

    def close(self) -> None:
        """Logs what was held back: no report comes any more."""


class Guarded:
    """A tracker whose trouble is logged once, and never raised."""

    def __init__(self, tracker: Tracker, name: str) -> None:
        """`name` is what the log calls it."""
        self._tracker = tracker
        self._name = name
        self._failed = False

    def log(self, report: Report) -> None:
        """Logs one report."""
        self._guard(lambda: self._tracker.log(report))

    def close(self) -> None:
        """Logs what was held back."""
        self._guard(self._tracker.close)

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            if not self._failed:  # a tracker that fails does so for every report
                log.exception("%s: a report could not be logged", self._name)
            self._failed = True


def tracker_of(target: Any, prefix: str) -> Guarded:
    """Returns what logs to `target`: see Monitor.log_to, which says what that may be.

    Raises InvalidArgument for what is no tracker, or MLflow without an active run.
    """
    for is_kind, kind in KINDS:
        if is_kind(target):
            return Guarded(kind(target, prefix), f"log_to({_name_of(target)})")
    raise InvalidArgument(
        "expected a SummaryWriter, a run of wandb, MLflow or Aim, the module mlflow, the id of an "
        f"MLflow run, or something to call with a report; got {_name_of(target)}"
    )


class TensorBoard:
    """A SummaryWriter of torch.utils.tensorboard or of tensorboardX."""

    def __init__(self, writer: Any, prefix: str) -> None:
        """Leaves the writer open."""
        self._writer = writer
        self._prefix = prefix

    def log(self, report: Report) -> None:
        """Adds scalars, and writes them: a program may end without closing its writer."""
        for name, value in numbers(report, self._prefix).items():
            self._writer.add_scalar(name, value, report.epoch)
        self._writer.flush()

    def close(self) -> None:
        """All is written."""


class Wandb:
    """A run of wandb; each split has an epoch of its own as its x axis.

    A run has one row of numbers at a time, and rows only go on: a row that is committed here moves
    the step on, and what the training then logs with a lower `step=` would be lost. Hence numbers
    join the training's row, and a second report of the same split waits for its next row.
    """

    def __init__(self, run: Any, prefix: str) -> None:
        """Leaves the run open."""
        self._run = run
        self._prefix = prefix
        self._defined: set[str] = set()
        self._step: int | None = None  # of the row that `_in_row` is in
        self._in_row: set[str] = set()
        self._has_company = False  # the training logs too
        self._waiting: deque[Report] = deque()

    def log(self, report: Report) -> None:
        """Logs the reports that have waited, as far as the row has room, and this one."""
        self._waiting.append(report)
        for _ in range(len(self._waiting)):
            next_one = self._waiting.popleft()
            if not self._add(next_one):
                self._waiting.append(next_one)

    def close(self) -> None:
        """Commits: the training logs no more, or little."""
        while self._waiting:
            next_one = self._waiting.popleft()
            if not self._add(next_one):
                self._commit()
                self._add(next_one)

    def _add(self, report: Report) -> bool:
        """Adds a report to the row; False where one of the same split is in it."""
        series = _series(report, self._prefix)
        self._look_at_row(set())
        if series in self._in_row:
            if self._has_company:
                return False
            self._commit()
        if series not in self._defined:
            self._defined.add(series)
            self._run.define_metric(f"{series}/epoch", hidden=True)
            self._run.define_metric(f"{series}/*", step_metric=f"{series}/epoch")
        values = numbers(report, self._prefix)
        self._run.log({f"{series}/epoch": report.epoch, **values}, commit=False)
        self._in_row.add(series)
        self._look_at_row({series})  # it may have come into the next one
        return True

    def _look_at_row(self, added: set[str]) -> None:
        """Notices a new row of the training, in which at most what was just added can be."""
        time.sleep(SETTLE)
        step = self._run.step
        if step != self._step:
            self._has_company = self._has_company or self._step is not None
            self._step, self._in_row = step, added
            time.sleep(SETTLE)

    def _commit(self) -> None:
        self._run.log({}, commit=True)
        self._step, self._in_row = self._run.step, set()


class MLflow:
    """A run of MLflow, by its id: which run is active depends on the thread."""

    def __init__(self, target: Any, prefix: str) -> None:
        """`target`: a run, its id, or the module for the run that is active now."""
        import mlflow
        from mlflow.tracking import MlflowClient

        if target is mlflow or getattr(target, "__name__", "") == "mlflow":
            target = mlflow.active_run()
            if target is None:
                raise InvalidArgument("log_to(mlflow) needs an active run: mlflow.start_run()")
        self._run_id = target if isinstance(target, str) else target.info.run_id
        self._client = MlflowClient(tracking_uri=mlflow.get_tracking_uri())
        self._prefix = prefix

    def log(self, report: Report) -> None:
        """Logs a batch of metrics."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        values = numbers(report, self._prefix).items()
        metrics = [Metric(name, value, now, report.epoch) for name, value in values]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self) -> None:
        """All is logged."""


class Aim:
    """A run of Aim."""

    def __init__(self, run: Any, prefix: str) -> None:
        """Leaves the run open."""
        self._run = run
        self._prefix = prefix

    def log(self, report: Report) -> None:
        """Tracks each metric."""
        for name, value in numbers(report, self._prefix).items():
            self._run.track(value, name=name, step=report.epoch, epoch=report.epoch)

    def close(self) -> None:
        """All is tracked."""


class Function:
    """Anything to call with a report."""

    def __init__(self, function: Callable[[Report], Any], prefix: str) -> None:
        """`prefix` has no use here."""
        self._function = function

    def log(self, report: Report) -> None:
        """Calls it."""
        self._function(report)

    def close(self) -> None:
        """Nothing is held back."""


def numbers(report: Report, prefix: str) -> dict[str, float]:
    """Returns the headline metrics that have a value by name, such as "ncscope/train/nc1.pinv"."""
    series = _series(report, prefix)
    return {f"{series}/{path}": float(value) for path, value in headline(report).items()}


def _series(report: Report, prefix: str) -> str:
    layer = "" if report.layer == "features" else report.layer  # that of monitors that name none
    return "/".join(part for part in (prefix, layer, report.split) if part)


def _is_of(target: Any, package: str, *names: str) -> bool:
    """Whether a class of `target` is one of those of a package, which is not imported."""
    return any(
        kind.__name__ in names and f"{kind.__module__}.".startswith(f"{package}.")
        for kind in type(target).__mro__
    )


def _is_tensorboard(target: Any) -> bool:
    return any(
        _is_of(target, package, "SummaryWriter")
        for package in ("torch.utils.tensorboard", "tensorboardX")
    )


def _is_mlflow(target: Any) -> bool:
    is_module = target is sys.modules.get("mlflow") and target is not None
    return is_module or isinstance(target, str) or _is_of(target, "mlflow", "Run", "ActiveRun")


KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, str], Tracker]], ...] = (
    (_is_tensorboard, TensorBoard),
    (lambda target: _is_of(target, "wandb", "Run", "RunDisabled"), Wandb),
    (_is_mlflow, MLflow),
    (lambda target: _is_of(target, "aim", "Run"), Aim),
    (callable, Function),
)


def _name_of(target: Any) -> str:
    name = getattr(target, "__name__", None) or type(target).__name__
    return str(name)
