"""A callback that measures neural collapse while Lightning trains.

Works with `lightning` and with `pytorch_lightning`: a callback of that which is imported already,
else of those that are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import InvalidArgument
from .monitor import Epoch, Monitor, ReportFuture
from .monitor.passes import QuietPasses, labels_of_batch, same_order

log = logging.getLogger("ncscope")


def _callback_classes() -> tuple[type, ...]:
    names = ("lightning.pytorch", "pytorch_lightning")
    wanted = [name for name in names if name in sys.modules]
    if not wanted:
        wanted = [name for name in names if importlib.util.find_spec(name.partition(".")[0])]
    if not wanted:
        raise ImportError("ncscope.lightning needs lightning or pytorch_lightning")
    return tuple(importlib.import_module(name).Callback for name in wanted)


_Callback: Any = type("_Callback", _callback_classes(), {})


class NeuralCollapse(_Callback):  # type: ignore[misc]
    """Measures the training and validation data of every n-th epoch.

    Validation is measured as it runs. The training data is measured after an epoch by a pass of
    its own, in evaluation mode. What a module's own steps raise is raised, nothing else is.
    """

    def __init__(
        self,
        run: str,
        *,
        train: bool = True,
        validation: bool = True,
        every_n_epochs: int = 1,
        train_loader: Iterable[Any] | None = None,
        step: Callable[[Any, Any], Any] | None = None,
        labels: Callable[[Any], Any] = labels_of_batch,
        log_to: Any = (),
        **options: Any,
    ) -> None:
        """Makes a callback; its `monitor` is made, and closed, with each `fit`.

        `train_loader`: by default the trainer's, which may augment; where there are several ranks,
        each gives its own part. `step(module, batch)` runs the module on a batch of it and returns
        labels; by default the module is called, for batches (inputs, labels) or mappings with
        "labels". `labels(batch)`: the labels of a batch of validation. `log_to`: a tracker or a
        list of them (`Monitor.log_to`), or True for the trainer's TensorBoard and wandb loggers.
        `options`: of `Monitor`, such as `head`, `server`, `num_classes`.
        """
        if every_n_epochs < 1:
            raise InvalidArgument(f"expected every_n_epochs of at least 1; got {every_n_epochs}")
        super().__init__()
        self.monitor: Monitor | None = None
        self.last: dict[str, ReportFuture] = {}
        """The latest future of each split: "train", "val", and "val_1" of a second loader."""
        self._options = {"run": run, **options}
        self._train = train
        self._validation = validation
        self._every = every_n_epochs
        self._train_loader = train_loader
        self._step = step
        self._labels = labels
        self._log_to = log_to
        self._state: dict[str, Any] | None = None
        self._epoch: Epoch | None = None  # the validation that runs
        self._loader = -1  # which loader of it
        self._validates = False
        self._batches = 0  # of training, in this epoch
        self._validated = -1  # epoch
        self._passes = QuietPasses()

    @property
    def state_key(self) -> str:
        """Name of the state in a checkpoint: of one run."""
        return f"ncscope.NeuralCollapse.{self._options['run']}"

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Makes the monitor, once ranks are known. Raises InvalidArgument for wrong options."""
        if stage != "fit":
            return
        if self.monitor is not None:
            self.monitor.close()
        self.monitor = Monitor(pl_module, **self._options)
        self._validated = -1
        if self._state is not None:
            self._resume(self._state)
        for target in self._targets(trainer):
            self.monitor.log_to(target)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Closes the monitor."""
        if stage == "fit" and self.monitor is not None:
            self._state = self.monitor.state_dict()
            self.monitor.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leaves the validation that was running."""
        self._leave(f"the validation was left by {type(exception).__name__}")

    def state_dict(self) -> dict[str, Any]:
        """Returns the monitor's, for a checkpoint."""
        if self.monitor is None:
            return dict(self._state or {})
        return self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on as a higher attempt; see Monitor.load_state_dict."""
        if not state_dict:
            return
        self._state = dict(state_dict)
        if self.monitor is not None:
            self._resume(self._state)

    # Training.

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Counts batches anew."""
        self._batches = 0

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, *unused: Any
    ) -> None:
        """Counts batches."""
        self._batches = batch_idx + 1

    def on_train_epoch_end(self, trainer: Any, pl_module: Any, *unused: Any) -> None:
        """Measures the training data."""
        if not self._train or not self._is_due(trainer):
            return
        monitor, step = self.monitor, self._step
        assert monitor is not None
        with _precision(trainer).forward_context():
            future = self._passes.measure(
                monitor,
                _batches_of(trainer, self._train_loader),
                epoch=trainer.current_epoch,
                split="train",
                step=None if step is None else lambda batch: step(pl_module, batch),
            )
        if future is not None:
            self.last["train"] = future

    # Validation.

    def on_validation_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begins, unless this is a sanity check or not the last validation of the epoch."""
        self._loader = -1
        self._validates = (
            self._validation
            and not trainer.sanity_checking
            and self._is_due(trainer)
            and trainer.current_epoch != self._validated
            and self._batches >= _batches_before_validation(trainer)
        )

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Gives the labels of what the module is run on next."""
        if not self._validates or self.monitor is None:
            return
        if dataloader_idx != self._loader:
            self._end()
            self._loader = dataloader_idx
            split = "val" if dataloader_idx == 0 else f"val_{dataloader_idx}"
            self._epoch = self.monitor.epoch(trainer.current_epoch, split).__enter__()
        assert self._epoch is not None
        try:
            labels = self._labels(batch)
        except Exception as error:
            self._leave(f"the labels of a batch of validation are not known: {error}")
            self._validates = False
            if self.monitor.strict:
                raise
            return
        self._epoch.labels(labels)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Ends it."""
        if self._epoch is not None:
            self._validated = trainer.current_epoch
        self._end()

    def _end(self) -> None:
        if self._epoch is not None:
            self.last[self._epoch.future.split] = self._epoch.end()
        self._epoch = None

    def _leave(self, why: str) -> None:
        if self._epoch is not None:
            self._epoch.abandon(why)
        self._epoch = None

    def _is_due(self, trainer: Any) -> bool:
        is_fit = str(getattr(trainer.state.fn, "value", "")) == "fit"
        return (
            is_fit and self.monitor is not None and (trainer.current_epoch + 1) % self._every == 0
        )

    def _resume(self, state: dict[str, Any]) -> None:
        assert self.monitor is not None
        try:
            self.monitor.load_state_dict(state)
        except Exception as error:
            log.warning("the checkpoint is not that of this run, which begins anew: %s", error)

    def _targets(self, trainer: Any) -> list[Any]:
        if self._log_to is not True:
            return list(self._log_to) if isinstance(self._log_to, (tuple, list)) else [self._log_to]
        if not trainer.is_global_zero:
            return []
        known = ("TensorBoardLogger", "WandbLogger")
        return [each.experiment for each in trainer.loggers if type(each).__name__ in known]


def _precision(trainer: Any) -> Any:
    return trainer.strategy.precision_plugin


def _batches_of(trainer: Any, loader: Iterable[Any] | None) -> Iterator[Any]:
    """Yields the batches of the training as steps get them; as many as an epoch has."""
    given, count = loader, float("inf")
    if given is None:
        given, count = trainer.train_dataloader, trainer.num_training_batches
        if isinstance(given, (dict, list, tuple)):
            raise InvalidArgument("the trainer has several loaders for training: give train_loader")
    with same_order(given):
        for batch in itertools.islice(given, None if count == float("inf") else int(count)):
            yield _precision(trainer).convert_input(trainer.strategy.batch_to_device(batch))


def _batches_before_validation(trainer: Any) -> int:
    """Batches of training before the last validation of an epoch; 0 where nobody knows."""
    count, every = trainer.num_training_batches, getattr(trainer, "val_check_batch", None)
    if count == float("inf") or every in (None, float("inf")):
        return 0
    if trainer.check_val_every_n_epoch is None:  # counts batches across epochs
        return 0
    return int(count // every * every)
