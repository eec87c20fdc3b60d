"""A pass over a loader that leaves the training as it was."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ..errors import InvalidArgument
from .epoch import Epoch
from .future import ReportFuture


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

    with _evaluation(model), _same_randomness(loader), torch.no_grad(), epoch:
        for batch in _with_bar(loader, epoch.future, progress):
            run(batch)
    return epoch.future


def run_batch(model: Any, batch: Any, epoch: Epoch) -> None:
    """Runs `model` on a batch, on the model's device, after its labels are given to `epoch`.

    Raises InvalidArgument for a batch that is neither (inputs, labels) nor a mapping with labels.
    """
    device = next((each.device for each in model.parameters()), None)
    if isinstance(batch, Mapping):
        name = next((each for each in ("labels", "label", "y") if each in batch), None)
        if name is not None:
            epoch.labels(batch[name])
            model(**{key: _to(value, device) for key, value in batch.items()})
            return
    elif isinstance(batch, (tuple, list)) and len(batch) >= 2:
        epoch.labels(batch[1])
        model(_to(batch[0], device))
        return
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
def _same_randomness(loader: Iterable[Any]) -> Iterator[None]:
    """Random generators of Python, numpy, torch and the loader give what they would have given."""
    import torch

    states: list[Callable[[], None]] = []
    python = random.getstate()
    states.append(lambda: random.setstate(python))
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        legacy = numpy.random.get_state()
        states.append(lambda: numpy.random.set_state(legacy))
    sampler = getattr(loader, "sampler", None)
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    for owner in (loader, sampler, inner):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator):
            states.append(partial(generator.set_state, generator.get_state()))
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
