"""Which rank of a distributed training this process is."""

from __future__ import annotations

import os
import sys

from ..errors import InvalidArgument

_RESTARTS = ("NCSCOPE_ATTEMPT", "TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")


def rank_and_world_size() -> tuple[int, int]:
    """Returns those of torch.distributed if that is set up, else of torchrun's environment.

    Else (0, 1). No collective call is made.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank()), int(distributed.get_world_size())
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return _number("RANK"), _number("WORLD_SIZE")
    return 0, 1


def attempt_of_environment() -> int | None:
    """Returns how often the launcher has started this training again, if it says so."""
    for name in _RESTARTS:
        if name in os.environ:
            return _number(name)
    return None


def _number(name: str) -> int:
    try:
        return int(os.environ[name])
    except ValueError as error:
        raise InvalidArgument(f"expected a number in {name}; got {os.environ[name]!r}") from error
