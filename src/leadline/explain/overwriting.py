"""Who has overwritten what the backward pass needs: PyTorch says that it happened, this says in which layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode


class _Kept(NamedTuple):
    tensor: Tensor
    version: int
    place: str


def overwritten(module: nn.Module, run: Callable[[], Any]) -> str:
    """What `run`, which calls the module, keeps for the backward pass and then overwrites: a sentence, or an empty text.

    Args:
        module: whose layers are named.
        run: the forward pass and the loss.
    """
    names = {id(each): f"{name or 'the network itself'} ({type(each).__name__})" for name, each in module.named_modules()}
    path: list[str] = []
    kept: list[_Kept] = []
    writers: dict[int, str] = {}  # where each piece of memory was last written in place, and by what

    def place() -> str:
        return path[-1] if path else "the loss"

    def keep(tensor: Tensor) -> Tensor:
        kept.append(_Kept(tensor, tensor._version, place()))
        return tensor

    def enter(each: nn.Module, given: Any) -> None:
        path.append(names.get(id(each), type(each).__name__))

    def leave(each: nn.Module, given: Any, output: Any) -> None:
        path.pop()

    class Writes(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            first = args[0] if args and isinstance(args[0], Tensor) else None
            before = first._version if first is not None else 0
            output = func(*args, **(kwargs or {}))
            if first is not None and first._version != before:
                name = getattr(func, "__name__", str(func)).strip("_")
                writers[first.untyped_storage().data_ptr()] = f"`{name}` in {place()}"
            return output

    with ExitStack() as stack:
        for handle in (register_module_forward_pre_hook(enter), register_module_forward_hook(leave)):
            stack.callback(handle.remove)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor))
        stack.enter_context(Writes())
        run()
    for each in kept:
        if each.tensor._version != each.version:
            writer = writers.get(each.tensor.untyped_storage().data_ptr(), "an in-place operation")
            shape = list(each.tensor.shape)
            return f"{each.place} keeps a tensor of shape {shape} for the backward pass, and {writer} overwrites it"
    return ""
