"""What torch must not do while an edge state is summed: narrow products, track, cast."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

# The precision of products is a setting of the process.
_precision = threading.Lock()


@contextmanager
def plain_arithmetic(device: torch.device) -> Iterator[None]:
    """No gradients, no tensors of inference mode, no autocast: operations are as written."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        if device.type in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        yield


@contextmanager
def float32_products() -> Iterator[None]:
    """Float32 products are of float32 numbers here, not of TF32 or bfloat16 ones.

    The setting is the process's and is put back afterwards. Products that other threads launch
    meanwhile are of float32 numbers too.
    """
    with _precision:
        if not hasattr(torch.backends, "fp32_precision"):  # before torch 2.9
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                yield
            finally:
                torch.set_float32_matmul_precision(before)
            return
        changed: list[tuple[Any, str]] = []
        try:
            for settings in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
                precision = settings.fp32_precision
                if precision not in ("ieee", "none"):  # "none" is the default, which is "ieee"
                    settings.fp32_precision = "ieee"
                    changed.append((settings, precision))
            yield
        finally:
            for settings, precision in changed:
                settings.fp32_precision = precision
