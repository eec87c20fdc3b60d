"""Arrays and tensors that outlive a call."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def copied(values: Any) -> Any:
    """Returns a copy, on the same device; None of None."""
    if values is None:
        return None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        return values.detach().clone()
    return np.array(values)


def bytes_of(*values: Any) -> int:
    """Returns the bytes of arrays and tensors together; those of None are none."""
    out = 0
    for each in values:
        if each is None:
            continue
        size = each.numel() * each.element_size() if hasattr(each, "element_size") else each.nbytes
        out += int(size)
    return out
