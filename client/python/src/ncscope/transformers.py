"""A callback that measures neural collapse while a Hugging Face Trainer trains."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from .errors import InvalidArgument
from .monitor import Monitor, ReportFuture
from .monitor.passes import QuietPasses

if TYPE_CHECKING:
    _TrainerCallback: Any = object
else:
    from transformers import TrainerCallback as _TrainerCallback

log = logging.getLogger("ncscope")

# Classes of language models that predict the next token.
_CAUSAL = ("ForCausalLM", "LMHeadModel")


class NeuralCollapse(_TrainerCallback):  # type: ignore[misc]
    """Measures the data of every evaluation, and training data at the end of epochs.

    Each is measured by a pass of its own, in evaluation mode and without gradients: an evaluation
    takes twice its time. Nothing that happens to it is raised.
    """

    def __init__(
        self,
        run: str,
        *,
        train_loader: Iterable[Any] | Literal[True] | None = None,
        evaluation: bool = True,
        every_n_epochs: int = 1,
        unit: Literal["epoch", "step"] = "epoch",
        step: Callable[[Any, Any], Any] | None = None,
        log_to: Any = (),
        **options: Any,
    ) -> None:
        """Makes a callback; its `monitor` is made, and closed, with each `train`.

        `train_loader`: batches of training data, True for the trainer's own; where there are
        several ranks, each gives its own part. `unit`: what reports are numbered by; by epochs,
        evaluations within an epoch are not measured; by steps, all are. `step(model, batch)` runs
        the model on a batch and returns labels; by default batches are mappings with "labels".
        `log_to`: a tracker or a list of them (`Monitor.log_to`). `options`: of `Monitor`, such as
        `head`, `server`, `num_classes`; `next_token` is by default true of language models that
        predict the next token.
        """
        if every_n_epochs < 1:
            raise InvalidArgument(f"expected every_n_epochs of at least 1; got {every_n_epochs}")
        if unit not in ("epoch", "step"):
            raise InvalidArgument(f"expected unit of 'epoch' or 'step'; got {unit!r}")
        super().__init__()
        self.monitor: Monitor | None = None
        self.last: dict[str, ReportFuture] = {}
        """The latest future of each split: "train", and "eval" or the trainer's longer prefix."""
        self._options = {"run": run, **options}
        self._train_loader = train_loader
        self._evaluation = evaluation
        self._every = every_n_epochs
        self._unit = unit
        self._step = step
        self._log_to = log_to if isinstance(log_to, (tuple, list)) else [log_to]
        self._passes = QuietPasses()
        self._trains = False
        self._epoch_ended_at = -1  # step
        self._measured: set[tuple[int, str]] = set()

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **unused: Any
    ) -> None:
        """Makes the monitor. Raises InvalidArgument for wrong options."""
        if self.monitor is not None:
            self.monitor.close()
        options = dict(self._options)
        options.setdefault("head", _head_of(model))
        options.setdefault("next_token", type(model).__name__.endswith(_CAUSAL))
        self.monitor = Monitor(model, **options)
        for target in self._log_to:
            self.monitor.log_to(target)
        self._measured.clear()
        self._epoch_ended_at = -1
        self._trains = True

    def on_train_end(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        """Closes the monitor."""
        self._trains = False
        if self.monitor is not None:
            self.monitor.close()

    def on_epoch_end(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        train_dataloader: Any = None,
        **unused: Any,
    ) -> None:
        """Measures training data."""
        self._epoch_ended_at = state.global_step
        loader = train_dataloader if self._train_loader is True else self._train_loader
        if loader is not None and self._is_due(state):
            self._measure(state, model, loader, "train")

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        metrics: Mapping[str, Any] | None = None,
        eval_dataloader: Any = None,
        **unused: Any,
    ) -> None:
        """Measures the data that was evaluated."""
        if not self._evaluation or eval_dataloader is None:
            return
        if self._unit == "step" or (self._is_epoch_end(state) and self._is_due(state)):
            self._measure(state, model, eval_dataloader, _split_of(metrics or {}))

    def _measure(self, state: Any, model: Any, loader: Any, split: str) -> None:
        number = state.global_step if self._unit == "step" else _epochs_of(state) - 1
        if self.monitor is None or not self._trains or (number, split) in self._measured:
            return
        step = self._step
        future = self._passes.measure(
            self.monitor,
            loader,
            epoch=number,
            split=split,
            step=None if step is None else lambda batch: step(model, batch),
        )
        self._measured.add((number, split))
        if future is not None:
            self.last[split] = future

    def _is_due(self, state: Any) -> bool:
        epochs = _epochs_of(state)
        return epochs > 0 and epochs % self._every == 0

    def _is_epoch_end(self, state: Any) -> bool:
        """Whether an epoch has ended, or is about to be told to have ended."""
        part = abs((state.epoch or 0.0) - _epochs_of(state))
        return bool(state.global_step == self._epoch_ended_at or part < 1e-6)


def _epochs_of(state: Any) -> int:
    """Returns how many epochs have been trained, where one ends."""
    return round(state.epoch or 0.0)


def _head_of(model: Any) -> Any:
    """Returns a language model's head; None, for the last Linear, of other models."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return head if getattr(head, "weight", None) is not None else None


def _split_of(metrics: Mapping[str, Any]) -> str:
    """Returns the prefix of an evaluation's metrics: "eval", or "eval_NAME" of several sets."""
    prefixes = [name.removesuffix("_runtime") for name in metrics if name.endswith("_runtime")]
    return re.sub(r"[^A-Za-z0-9._-]", "-", prefixes[0]) if prefixes else "eval"
