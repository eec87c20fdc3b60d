"""Monitor: measures neural collapse from a training loop that does not notice."""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ..choices import NONFINITE, PROFILES, WEIGHTINGS, choice, report_choices, unsigned
from ..errors import FailedPrecondition, InvalidArgument
from ..trackers import tracker_of
from ..v1 import service_pb2, types_pb2
from ..wire import checksum_of
from .collector import Collector
from .copies import Copies
from .epoch import Epoch
from .future import ReportFuture
from .head import classifier_of, find_head, hook_head, is_recomputing, width_of
from .logged import Trackers
from .messages import IN_FLIGHT_BYTES, Settings
from .passes import run_pass
from .ranks import attempt_of_environment, rank_and_world_size
from .sender import Sender, close_all_at_exit
from .streamed import Streamed
from .summed import EarlierMeans, Summed

if TYPE_CHECKING:
    import torch

log = logging.getLogger("ncscope")

DEFAULT_SERVER = "127.0.0.1:50051"
# Seconds that measure() waits for room within one epoch.
MEASURE_PATIENCE = 10.0
# What the helper holds of samples beside the ring, bytes: those on their way to the server.
OWN_BYTES = 2 * IN_FLIGHT_BYTES
LEAST_QUEUE_BYTES = OWN_BYTES + (32 << 20)


@dataclass(frozen=True)
class MonitorOptions:
    """Limits of a monitor."""

    queue_bytes: int = 256 << 20
    """Memory for samples that the server has not taken; shared with the helper process."""
    spool_bytes: int = 2 << 30
    """Disk for samples for which memory is short; beyond both, samples are dropped."""
    spool_dir: str | os.PathLike[str] = "ncscope-spool"
    """Folder for those; made when it is needed."""
    patience: float = 0.0
    """Seconds that an epoch may wait in all, rather than drop samples, for the helper to catch up;
    `Monitor.measure` waits 10 s."""
    exit_timeout: float = 10.0
    """Seconds that `close` and the end of the program wait for what is still to be sent."""
    timeout: float = 60.0
    """Seconds that the server may take for an answer, in the helper process."""


class Monitor:
    """Sends the features of a classifier's input to an ncscope server while a network trains.

    Nothing that happens to the network, the server or the helper process is raised into the
    training: it is logged (logger "ncscope"), and told by the futures of `end_epoch` and `measure`.
    Mistakes in using it are raised by the constructor, logged later; `strict` raises those too.
    """

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        head: str | torch.nn.Module | None = None,
        *,
        run: str,
        server: str | None = None,
        num_classes: int | None = None,
        layer: str = "features",
        mode: Literal["stream", "edge"] = "stream",
        rank: int | None = None,
        world_size: int | None = None,
        attempt: int | None = None,
        next_token: bool = False,
        ignore_index: int = -100,
        nonfinite: Literal["refuse", "skip"] = "skip",
        weighting: Literal["uniform", "by_count"] = "uniform",
        profile: Literal["default", "papyan", "geometric", "linguistic", "rw"] = "default",
        spectrum: Literal["auto", "none", "leading", "all"] = "auto",
        exact_pairs: bool = False,
        standard_errors: bool = False,
        one_vs_rest_margin: bool = False,
        options: MonitorOptions | None = None,
        strict: bool = False,
        disabled: bool | None = None,
    ) -> None:
        """Starts a helper process; returns before it has reached the server.

        `model`: a torch module whose classifier's input is measured; without one, samples come by
        `observe`. `head`: name or module of that classifier, by default the last torch.nn.Linear.
        Make the monitor before torch.compile. `run`: name of the training, [A-Za-z0-9._-].
        `server`: "host:port", by default NCSCOPE_SERVER or 127.0.0.1:50051. `num_classes`: K, by
        default that of the head. `mode` "edge": samples are summed where they are, with torch, and
        only the state crosses the network, O(K d + d^2); nc4 is against the class means of the
        train epoch before then, and needs a single rank. `rank`, `world_size`: by default those of
        torch.distributed, or of torchrun; every rank has a monitor and sends its own samples.
        `attempt`: by default that of the launcher; a single process takes the next one where an
        epoch was streamed before.
        `next_token`: features [B, T, d] of a language model, whose labels [B, T] are the tokens
        themselves: position t is judged by token t + 1. Rows labelled `ignore_index` are skipped.
        Others as of `Client.stream`. `disabled` (or NCSCOPE_MODE=disabled): does nothing at all.
        """
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", run):
            raise InvalidArgument(f"expected run of 1 to 128 of [A-Za-z0-9._-]; got {run!r}")
        self.run = run
        self.options = options or MonitorOptions()
        self.strict = strict
        self.head_name: str | None = None
        self.head_is_sharded = False
        self._head: Any = None
        self._unhook: Callable[[], None] | None = None
        self._active: list[Epoch] = []
        self._last: Epoch | None = None  # begun by begin_epoch()
        self._sender: Sender | None = None
        self._trackers = Trackers()
        self._closed = False
        self._last_epoch = -1
        self._last_type = "float32"
        self._streamed: Streamed | None = None
        self._model = model
        self.next_token = next_token
        self.num_classes = num_classes
        self.dim: int | None = None
        if model is not None:
            self.head_name, self._head = find_head(model, head)
            classes, self.dim = width_of(self._head)
            self.head_is_sharded = classifier_of(self._head) is None
            self.num_classes = num_classes or classes
        if self.num_classes is None or self.num_classes < 1:
            raise InvalidArgument(f"expected num_classes of at least 1; got {num_classes}")
        found = rank_and_world_size()
        self.rank = found[0] if rank is None else rank
        self.world_size = found[1] if world_size is None else world_size
        if not 0 <= self.rank < self.world_size:
            raise InvalidArgument(f"expected rank in [0, {self.world_size}); got {self.rank}")
        told = attempt_of_environment() if attempt is None else attempt
        self.attempt = told or 0
        self._may_supersede = attempt is None and self.world_size == 1
        self._open = service_pb2.Open(
            key=types_pb2.SeriesKey(run=run, layer=layer),
            rank=self.rank,
            world_size=self.world_size,
            num_classes=self.num_classes,
            label_type=types_pb2.LABEL_TYPE_INT64,
            nonfinite=choice("nonfinite", nonfinite, NONFINITE),
            ignore_index=ignore_index,
            weighting=choice("weighting", weighting, WEIGHTINGS),
            profile=choice("profile", profile, PROFILES),
            choices=report_choices(spectrum, exact_pairs, standard_errors, one_vs_rest_margin),
        )
        self._copies = Copies()
        self._mode = choice("mode", mode, {each: each for each in ("stream", "edge")})
        self._means = EarlierMeans(self.world_size)
        if mode == "edge":
            checksum_of(b"")  # which states need
        if disabled is None:
            disabled = os.environ.get("NCSCOPE_MODE") == "disabled"
        if disabled:
            return
        address = server or os.environ.get("NCSCOPE_SERVER") or DEFAULT_SERVER
        self._sender = Sender(
            self._settings(address),
            self.options.patience,
            self.options.exit_timeout,
            self._copies.wait,
            self._trackers.close,
        )
        if self._head is not None:
            self._unhook = hook_head(self._head, self._saw)
            log.info("measuring the input of %r: %s", self.head_name, self._head)

    @property
    def helper_pid(self) -> int | None:
        """Process id of the helper; None if there is none."""
        return None if self._sender is None else self._sender.pid

    def epoch(self, epoch: int, split: str = "train") -> Epoch:
        """Returns what measures one pass over a split; a context manager around the pass.

        Within it, either run the model and give the labels of each batch to `Epoch.labels`, or give
        both to `Epoch.observe`.
        """
        return self._make_epoch(epoch, split, None)

    def begin_epoch(self, epoch: int, split: str = "train") -> Epoch:
        """Begins what `observe`, `labels` and `end_epoch` are about, for loops without `with`."""
        if self._last is not None and not self._last.ended:
            self._last.abandon("another epoch was begun before end_epoch()")
        self._last = self.epoch(epoch, split)
        return self._last.__enter__()

    def observe(
        self, features: Any, labels: Any, predictions: Any = None, sample_ids: Any = None
    ) -> None:
        """Adds samples to the epoch that began last; as `Epoch.observe`."""
        current = self._begun("observe")
        if current is not None:
            current.observe(features, labels, predictions, sample_ids)

    def labels(self, labels: Any, sample_ids: Any = None) -> None:
        """Gives the labels of the batch that the model was run on; as `Epoch.labels`."""
        current = self._begun("labels")
        if current is not None:
            current.labels(labels, sample_ids)

    def end_epoch(self, partial: bool = False) -> ReportFuture:
        """Ends the epoch that began last; returns the future of its report. Does not wait."""
        current = self._begun("end_epoch")
        if current is None:
            future = ReportFuture(self.run, -1, "", self._open.key.layer)
            future.set_exception(FailedPrecondition("no epoch has begun: see begin_epoch"))
            return future
        return current.end(partial)

    def measure(
        self,
        loader: Iterable[Any],
        *,
        epoch: int,
        split: str = "train",
        step: Callable[[Any], Any] | None = None,
        progress: bool | None = None,
    ) -> ReportFuture:
        """Runs the model over `loader` in evaluation mode, without gradients, and measures it.

        Modes of modules and the states of random generators are as before, afterwards. Batches are
        (inputs, labels) or mappings with "labels"; else give `step`, which runs the model on a
        batch and returns its labels. `progress`: a tqdm bar, by default on terminals if tqdm is
        installed. What the model or the loader raise is raised.
        """
        if self._head is None:
            raise InvalidArgument("measure() needs a monitor with a model")
        patience = max(self.options.patience, MEASURE_PATIENCE)
        measured = self._make_epoch(epoch, split, patience)
        if not measured.works:
            return measured.future
        return run_pass(measured, self._model, loader, step, progress)

    def log_to(self, target: Any, prefix: str = "ncscope") -> None:
        """Logs the headline numbers of every report that arrives from now on to a tracker.

        `target`: a SummaryWriter of torch.utils.tensorboard or tensorboardX; a run of wandb, MLflow
        or Aim; the module mlflow, for the run that is active now, or the id of a run of it; or
        anything to call with a report. Names are like "ncscope/train/nc1.pinv", steps are epochs;
        metrics that are undefined are left out. It happens in a thread of the monitor, and on
        rank 0 only: others ignore `target`. Trouble is logged once. Close the monitor before the
        tracker.
        """
        if self.rank != 0 or self._sender is None or self._closed:
            return
        try:
            tracker = tracker_of(target, prefix)
        except Exception as error:
            if self.strict:
                raise
            log.error("%s", error)
            return
        self._trackers.add(tracker)
        close_all_at_exit()  # before the tracker's own end

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs, for `load_state_dict` of the training that resumes."""
        return {"run": self.run, "epoch": self._last_epoch, "attempt": self.attempt}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with a run as a higher attempt, which replaces epochs that are trained again."""
        if state["run"] != self.run:
            raise InvalidArgument(
                f"expected a checkpoint of run {self.run!r}; got one of {state['run']!r}"
            )
        self._last_epoch = int(state["epoch"])
        self.attempt = max(self.attempt, int(state["attempt"]) + 1)

    def close(self, timeout: float | None = None) -> str | None:
        """Ends; waits at most `timeout` seconds (`exit_timeout`) for what is still to be sent.

        Returns the folder of samples that the server could not take, if any: `ncscope sync` sends
        them later.
        """
        if self._closed:
            return None
        self._closed = True
        deadline = time.monotonic() + (self.options.exit_timeout if timeout is None else timeout)
        for active in reversed(self._active):
            active.abandon("the monitor was closed")
        if self._unhook is not None:
            self._unhook()
        if self._sender is None:
            return None
        self._sender.begin_close(max(0.0, deadline - time.monotonic()))
        return self._sender.close(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Where a model has its monitor, a copy of it has one that does nothing."""
        return _disabled, (self.run, self.num_classes)

    def enter(self, epoch: Epoch) -> None:
        """An epoch has begun: it gets what the head is called with."""
        self._active.append(epoch)

    def leave(self, epoch: Epoch) -> None:
        """An epoch has ended."""
        if epoch in self._active:
            self._active.remove(epoch)

    def _saw(self, features: Any) -> None:
        """Passes the head's input on to the epoch that began last."""
        if self._active and not is_recomputing():
            self._active[-1].saw(features)

    def _begun(self, what: str) -> Epoch | None:
        if self._last is None:
            error = FailedPrecondition(f"{what}() without begin_epoch()")
            if self.strict:
                raise error
            log.error("%s", error)
        return self._last

    def _make_epoch(self, epoch: int, split: str, patience: float | None) -> Epoch:
        opened = service_pb2.Open()
        opened.CopyFrom(self._open)
        future = ReportFuture(self.run, epoch, split, opened.key.layer)
        try:
            opened.key.epoch, opened.key.split = unsigned("epoch", epoch), split
            opened.attempt = self.attempt
        except (InvalidArgument, TypeError) as error:
            if self.strict:
                raise
            log.error("this epoch is not measured: %s", error)
            future.set_exception(InvalidArgument(str(error)))
            return Epoch(self, future, None, None)
        self._last_epoch = max(self._last_epoch, epoch)
        if self._sender is None or self._closed:
            future.set_exception(FailedPrecondition("the monitor is disabled or closed"))
            return Epoch(self, future, None, None)
        self._trackers.expect(future)
        collector: Collector
        if self._mode == "edge":
            collector = Summed(
                self._sender, opened, future, self._may_supersede, self._head, self._means
            )
        else:
            collector = Streamed(
                self._sender,
                self._copies,
                opened,
                future,
                self._may_supersede,
                self.dim,
                patience,
                self._usual_type(),
            )
            self._streamed = collector
        return Epoch(self, future, collector, self._head)

    def _usual_type(self) -> str:
        """Element type of the last samples; a rank without any opens with it as well."""
        if self._streamed is not None and self._streamed.dtype is not None:
            self._last_type = self._streamed.dtype
        return self._last_type

    def _settings(self, address: str) -> Settings:
        options = self.options
        if options.queue_bytes < LEAST_QUEUE_BYTES:
            raise InvalidArgument(
                f"expected queue_bytes of at least {LEAST_QUEUE_BYTES}; got {options.queue_bytes}"
            )
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return Settings(
            address=address,
            ring_bytes=options.queue_bytes - OWN_BYTES,
            spool_bytes=options.spool_bytes,
            spool_dir=str(Path(options.spool_dir).absolute()),
            session=f"{self.run}-rank{self.rank}-{stamp}-{os.getpid()}-{secrets.token_hex(2)}",
            timeout=options.timeout,
        )


def _disabled(run: str, num_classes: int) -> Monitor:
    return Monitor(run=run, num_classes=num_classes, disabled=True)
