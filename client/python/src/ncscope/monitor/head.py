"""The classifier of a torch model: what goes into it, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument

if TYPE_CHECKING:
    import torch


def find_head(model: torch.nn.Module, head: str | torch.nn.Module | None) -> tuple[str, Any]:
    """Returns name and module of the classifier: by default the last Linear of the model.

    Raises InvalidArgument for a name that there is not, or a module without a weight [K, d].
    """
    import torch

    modules = dict(model.named_modules())
    modules = {name.removeprefix("_orig_mod."): module for name, module in modules.items()}
    if head is None:
        linear = [name for name, each in modules.items() if isinstance(each, torch.nn.Linear)]
        if not linear:
            raise InvalidArgument("the model has no torch.nn.Linear: name its classifier by head=")
        name = linear[-1]
    elif isinstance(head, str):
        if head not in modules:
            known = ", ".join(repr(name) for name in list(modules)[-8:])
            raise InvalidArgument(f"the model has no module {head!r}; its last ones are {known}")
        name = head
    else:
        found = [name for name, each in modules.items() if each is head]
        name = found[0] if found else type(head).__name__
        modules.setdefault(name, head)
    module = modules[name]
    if getattr(module, "weight", None) is None:
        raise InvalidArgument(
            f"expected head {name!r} to have a weight; got {type(module).__name__}"
        )
    return name, module


def width_of(module: Any) -> tuple[int | None, int | None]:
    """Returns the numbers of classes and of features of a classifier, where it says them."""
    weight = module.weight
    shape = tuple(getattr(weight, "shape", ()))
    if len(shape) == 2:
        return int(shape[0]), int(shape[1])
    # A shard of FSDP is flat; the module still knows.
    return getattr(module, "out_features", None), getattr(module, "in_features", None)


def is_recomputing() -> bool:
    """Whether this is a backward pass: gradient checkpointing runs modules once more in it."""
    import torch

    task = getattr(torch._C, "_current_graph_task_id", None)
    if task is not None:
        return bool(task() != -1)
    # torch before 2.0 does not tell: its checkpointing is on the stack.
    import sys

    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_name
        if frame.f_code.co_filename.endswith("checkpoint.py") and name in ("unpack", "backward"):
            return True
        frame = frame.f_back
    return False


class UnhookedCopy:
    """The hook of a model's copy, pickled or made by deepcopy: it does nothing."""

    def __call__(self, *_: Any) -> None:
        """Leaves the input as it is."""


def hook_head(module: Any, seen: Callable[[Any], None]) -> Callable[[], None]:
    """Calls `seen` with every input of `module`; returns what takes the hook off again.

    A model stays one that can be saved: in copies the hook does nothing.
    """
    import torch

    def before(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        if called is not module:  # a replica, which shares the hooks
            return
        given = args[0] if args else (kwargs or {}).get("input")
        if isinstance(given, torch.Tensor):
            seen(given)

    compiler = getattr(torch, "compiler", None)
    disable = getattr(compiler, "disable", None) or getattr(
        getattr(torch, "_dynamo", None), "disable", None
    )
    call = before if disable is None else disable(before)  # a compiled model calls it as it is

    class Hook:
        def __call__(self, *given: Any) -> None:
            call(*given)

        def __reduce__(self) -> tuple[Any, ...]:
            return UnhookedCopy, ()

    try:
        handle = module.register_forward_pre_hook(Hook(), with_kwargs=True)
    except TypeError:  # torch before 2.0
        handle = module.register_forward_pre_hook(Hook())
    return handle.remove  # type: ignore[no-any-return]


def classifier_of(module: Any) -> tuple[Any, Any] | None:
    """Returns copies of weight [K, d] and bias [K] (or None) as they are now, on their device.

    None where this process has only a shard of them.
    """
    weight, bias = module.weight, getattr(module, "bias", None)
    if not _is_whole(weight, 2) or not (bias is None or _is_whole(bias, 1)):
        return None
    copies = [None if each is None else each.detach().clone() for each in (weight, bias)]
    return copies[0], copies[1]


def _is_whole(parameter: Any, dimensions: int) -> bool:
    """Whether all of a parameter is here: not a shard, and not a view of what FSDP has freed."""
    if getattr(parameter, "dim", lambda: 0)() != dimensions or hasattr(parameter, "full_tensor"):
        return False
    if hasattr(parameter, "untyped_storage"):
        there = parameter.untyped_storage().nbytes()
    else:  # torch before 2.0
        there = parameter.storage().nbytes()
    last = sum((n - 1) * s for n, s in zip(parameter.shape, parameter.stride(), strict=True))
    wanted = (parameter.storage_offset() + last + 1) * parameter.element_size()
    return bool(parameter.numel() > 0 and there >= wanted)
