"""Which steps are sampled, and what is heard of the pass at one: its mode, when it began, whether gradients were stale."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_DENSE, _EVERY, _SPARSE = 8, 50, 200
_TOLD_PASSES = 2


def next_sample(count: int) -> int:
    """The step to sample after this one: every step at first, then an eighth of the way, every 50, half a percent of the way.

    Example:
        >>> [next_sample(count) for count in (1, 2, 80, 1000, 100_000)]
        [2, 4, 90, 1050, 100500]
    """
    if count < 2:
        return count + 1
    return count + max(min(max(count // _DENSE, 2), _EVERY), count // _SPARSE)


@dataclass
class Pass:
    """A forward pass: what the network got, by place and by name, and what it gave."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    output: Any = None


class PassHooks:
    """Hooks on the whole network and its optimizers for one step.

    `passes` are the first of those with gradients that came before the first backward pass.

    `stale` tells whether, when the backward pass began, the gradients were still those of the last update; it can be told once
    an update was heard in this step or in the one before (`after_update`: norms of the gradients right after it).
    `at_backward_end` is called whenever a backward pass has come to its end.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> after = None
        >>> for _ in range(2):
        ...     hooks = PassHooks(model, [sgd], after)
        ...     model(torch.ones(1, 2)).sum().backward()
        ...     sgd.step()
        ...     hooks.remove()
        ...     after = hooks.after_update
        >>> bool(hooks.stale)
        True
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        after_update: Tensor | None,
        at_backward_end: Callable[[], None] | None = None,
    ) -> None:
        self.after_update, self._at_backward_end = after_update, at_backward_end
        self.stale: Tensor | None = None
        self.output: Tensor | None = None
        self.passes: list[Pass] = []
        self.training, self.grad_enabled, self.started = True, True, 0.0
        self.waited: float | None = None  # seconds before the pass in which neither an update nor a judging pass was made
        self._free_since = time.perf_counter()
        self._model, self._went_back = model, False
        self._optimizers, self._updated = len(optimizers), set[int]()
        self._handles: list[Any] = [optimizer.register_step_post_hook(self._on_update) for optimizer in optimizers]
        if not isinstance(model, torch.jit.ScriptModule):  # which takes no hooks
            self._handles += [
                model.register_forward_pre_hook(self._on_begin, with_kwargs=True),
                model.register_forward_hook(self._on_end),
            ]

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _on_begin(self, module: nn.Module, arguments: Any, keywords: Any) -> None:
        enabled = torch.is_grad_enabled()
        if self._went_back or (self.started and self.grad_enabled and not enabled):
            return  # rows that are judged after the batch, in whatever mode, are no part of the step
        first = not self.started or not self.grad_enabled
        self.started, self.grad_enabled = time.perf_counter(), enabled
        if enabled and len(self.passes) < _TOLD_PASSES:
            self.passes.append(Pass(arguments, keywords))
        if first:
            self.waited = self.started - self._free_since
        # Batch norms alone that somebody froze on purpose do not make it evaluation: the whole network must be in it.
        self.training = module.training or not any(isinstance(each, _MODED) for each in module.modules())

    def _on_end(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if self.passes and self.passes[-1].output is None:
            self.passes[-1].output = output
        self._free_since = time.perf_counter()
        found = _first(output)
        if found is not None and found.requires_grad:
            self.output = found
            self._handles.append(found.register_hook(self._on_backward))  # type: ignore[no-untyped-call]

    def _on_backward(self, _gradient: Tensor) -> None:
        self._went_back = True
        self._updated.clear()
        if self._at_backward_end is not None:
            engine: Any = torch.autograd.Variable._execution_engine
            engine.queue_callback(self._at_backward_end)
        if self.after_update is not None:
            now = _gradient_norms(self._model)
            self.stale = (now == self.after_update).all() & (now > 0).any()
            self.after_update = None

    def _on_update(self, optimizer: Optimizer, _arguments: Any, _keywords: Any) -> None:
        # Of several optimizers each may have a backward pass of its own: before the next one nothing needs to be zeroed.
        self._free_since = time.perf_counter()
        self._updated.add(id(optimizer))
        if len(self._updated) == self._optimizers:
            self.after_update = _gradient_norms(self._model)


_MODED = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.modules.batchnorm._BatchNorm)


def _gradient_norms(model: nn.Module) -> Tensor:
    with torch.no_grad():
        norms = [
            torch.zeros((), device=parameter.device)
            if parameter.grad is None or parameter.grad.is_sparse
            else parameter.grad.norm().float()
            for parameter in model.parameters()
        ]
        return torch.stack([norm.to(norms[0].device) for norm in norms])


def _first(output: Any) -> Tensor | None:
    """The first tensor of an output that has a gradient."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((found for part in parts if (found := _first(part)) is not None), None)
