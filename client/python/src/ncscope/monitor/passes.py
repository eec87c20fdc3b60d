"""A pass over a loader that leaves the training as it was."""

from __future__ import annotations

import contextlib
import logging
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from .epoch import Epoch
from .future import ReportFuture

if TYPE_CHECKING:
    from .monitor import Monitor

log = logging.getLogger("ncscope")


def run_pass(
    epoch: Epoch,
    model: Any,
    loader: Iterable[Any],
    step: Callable[[Any], Any] | None,
    progress: bool | None,
) -> ReportFuture:
    """Runs `model` over `loader` within `epoch`; see Monitor.measure."""
    import torch

    def run(batch: Any) -> None:
        if step is None:
            run_batch(model, batch, epoch)
        else:
            epoch.labels(step(batch))

    with _evaluation(model), _same_randomness(), same_order(loader), torch.no_grad(), epoch:
        for batch in _with_bar(loader, epoch.future, progress):
            run(batch)
    return epoch.future


class QuietPasses:
    """The passes of a callback: what goes wrong in them is logged once, and not raised."""

    def __init__(self) -> None:
        """Nothing has gone wrong yet."""
        self._failed = False

    def measure(
        self,
        monitor: Monitor,
        loader: Iterable[Any],
        *,
        epoch: int,
        split: str,
        step: Callable[[Any], Any] | None = None,
    ) -> ReportFuture | None:
        """As Monitor.measure, without a bar; None where the pass broke off."""
        try:
            return monitor.measure(loader, epoch=epoch, split=split, step=step, progress=False)
        except Exception:
            if monitor.strict:
                raise
            if not self._failed:
                log.exception("epoch %d %s is not measured: the pass broke off", epoch, split)
            self._failed = True
            return None


def run_batch(model: Any, batch: Any, epoch: Epoch) -> None:
    """Runs `model` on a batch, on the model's device, after its labels are given to `epoch`.

    Raises InvalidArgument for a batch that is neither (inputs, labels) nor a mapping with labels.
    """
    device = next((each.device for each in model.parameters()), None)
    epoch.labels(labels_of_batch(batch))
    if isinstance(batch, Mapping):
        model(**{key: _to(value, device) for key, value in batch.items()})
    else:
        model(_to(batch[0], device))


def labels_of_batch(batch: Any) -> Any:
    """Returns the labels of a batch that is (inputs, labels) or a mapping with labels.

    Raises InvalidArgument for another one.
    """
    if isinstance(batch, Mapping):
        name = next((each for each in ("labels", "label", "y") if each in batch), None)
        if name is not None:
            return batch[name]
    elif isinstance(batch, (tuple, list)) and len(batch) >= 2:
        return batch[1]
    raise InvalidArgument(
        'expected batches (inputs, labels) or mappings with "labels"; got '
        f"{type(batch).__name__}: give step="
    )


def _to(value: Any, device: Any) -> Any:
    return value.to(device, non_blocking=True) if hasattr(value, "to") else value


@contextlib.contextmanager
def _evaluation(model: Any) -> Iterator[None]:
    """Evaluation mode; each module has its own mode again afterwards."""
    if model is None:
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        model.train(modes[0][1])  # not by assignment: some modules do more when they change
        for module, training in modes:  # parents before their parts
            if module.training != training:
                module.train(training)


@contextlib.contextmanager
def _same_randomness() -> Iterator[None]:
    """Random generators of Python, numpy and torch give afterwards what they would have given."""
    import torch

    states: list[Callable[[], None]] = []
    python = random.getstate()
    states.append(lambda: random.setstate(python))
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        legacy = numpy.random.get_state()
        states.append(lambda: numpy.random.set_state(legacy))
    host = torch.get_rng_state()
    states.append(lambda: torch.set_rng_state(host))
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = torch.cuda.get_rng_state_all()
        states.append(lambda: torch.cuda.set_rng_state_all(devices))
    try:
        yield
    finally:
        for restore in states:
            restore()


@contextlib.contextmanager
def same_order(loader: Any) -> Iterator[None]:
    """A loader with a generator of its own shuffles afterwards as it would have."""
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    owners = (loader, getattr(loader, "sampler", None), inner)
    generators: list[Any] = [getattr(owner, "generator", None) for owner in owners]
    states = [(each, each.get_state()) for each in generators if hasattr(each, "get_state")]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def _with_bar(loader: Iterable[Any], future: ReportFuture, progress: bool | None) -> Iterable[Any]:
    if progress is False:
        return loader
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return loader
    return tqdm(  # type: ignore[no-any-return]
        loader,
        desc=f"ncscope {future.split} {future.epoch}",
        leave=False,
        disable=None if progress is None else False,  # None: on terminals only
    )
