"""What torch must not do while an edge state is summed: narrow products, track, cast."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import torch


@contextmanager
def plain_arithmetic(device: torch.device) -> Iterator[None]:
    """No gradients, no tensors of inference mode, no autocast: operations are as written."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        with suppress(RuntimeError):  # of torch 1, for types of devices that have no autocast
            stack.enter_context(torch.autocast(device.type, enabled=False))
        yield


@contextmanager
def float32_products() -> Iterator[None]:
    """Float32 products are of float32 numbers here, not of TF32 or bfloat16 ones.

    The setting is the process's, and is put back by the last thread that leaves. Products that
    other threads launch meanwhile are of float32 numbers too.
    """
    _precision.enter()
    try:
        yield
    finally:
        _precision.leave()


class _Precision:
    """The precision of float32 products, full while at least one thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._put_back: list[Callable[[], None]] = []

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._put_back = _use_full_precision()
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for put_back in self._put_back:
                    put_back()


_precision = _Precision()


def _use_full_precision() -> list[Callable[[], None]]:
    """Returns what puts the settings back."""
    if not hasattr(torch.backends, "fp32_precision"):  # before torch 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        return [partial(torch.set_float32_matmul_precision, before)]
    changed: list[Callable[[], None]] = []
    for settings in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
        precision = settings.fp32_precision
        if precision not in ("ieee", "none"):  # "none" is the default, which is "ieee"
            settings.fp32_precision = "ieee"
            changed.append(partial(setattr, settings, "fp32_precision", precision))
    return changed
