"""Norms of gradients, weights and updates at one step, read around `optimizer.step` by hooks that are there for it alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_SAME, _MORE = 1e-4, 1e-3  # relative


class Norms(NamedTuple):
    """Of each weight tensor: ‖g‖ at the update, ‖w‖ before it, ‖Δw‖ after it, and what was left of ‖g‖ by clipping.

    NaN stands for a tensor without a gradient, None where no update was seen. `clipped_late` says that gradients were shortened
    once the update had been made.
    """

    gradient: list[float]
    weight: list[float]
    update: list[float | None]
    clipped_to: float | None
    clipped_late: bool = False


class WeightHooks:
    """Reads ‖g‖ and ‖w‖ of each weight tensor before the update and ‖Δw‖ after it.

    Where `read_backward` is called at the end of the backward pass, it tells too what happened to the gradient between.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> hooks = WeightHooks(list(model.named_parameters()), [sgd])
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> hooks.read_backward()
        >>> _ = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        >>> sgd.step()
        >>> hooks.remove()
        >>> round(hooks.readings().update[0], 3), round(hooks.readings().clipped_to, 3)
        (0.05, 0.071)
    """

    def __init__(self, parameters: Sequence[tuple[str, nn.Parameter]], optimizers: Sequence[Optimizer]) -> None:
        self._parameters = [parameter for _, parameter in parameters]
        self._before: list[Tensor] = []
        self._gradient: list[Tensor | None] = []
        self._backward: list[Tensor | None] = []
        self._weight: list[Tensor] = []
        self._update: list[Tensor | None] = []
        self._others = False
        self._handles: list[Any] = []
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._on_begin))
            self._handles.append(optimizer.register_step_post_hook(self._on_end))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def read_backward(self) -> None:
        """The gradients as a backward pass leaves them; of several before the update the last."""
        if self._before:
            self._others = True  # gradients of the next batch, where the loop tells of a step before it is made
            return
        with suppress(RuntimeError):  # the backward pass is the person's, and is to go on
            self._backward = self._gradients()

    def _on_begin(self, _optimizer: Optimizer, _arguments: Any, _keywords: Any) -> None:
        if self._before:
            return  # several optimizers step one after the other: the first sees everything
        with torch.no_grad():
            self._before = [parameter.detach().clone() for parameter in self._parameters]
            self._gradient = self._gradients()
            self._weight = _norms([parameter.detach() for parameter in self._parameters])

    def _gradients(self) -> list[Tensor | None]:
        with torch.no_grad():
            present = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
            dense = [grad.to_dense() if grad.is_sparse else grad for grad in present]
            norms = iter(_norms(dense))
            return [next(norms) if parameter.grad is not None else None for parameter in self._parameters]

    def _on_end(self, _optimizer: Optimizer, _arguments: Any, _keywords: Any) -> None:
        with torch.no_grad():
            changes = torch._foreach_sub([each.detach() for each in self._parameters], self._before)
            self._update = list(_norms(changes))

    def readings(self) -> Norms:
        """All of them, in one transfer from the device; none where no update was heard."""
        if not self._weight:
            return Norms([], [], [], None)
        nothing = torch.full((), float("nan"), device=self._weight[0].device)
        count = len(self._weight)
        left = self._gradients() if self._update and not self._others else [None] * count
        every = [
            *(*self._gradient, *self._weight, *(self._update or [None] * count), *(self._backward or [None] * count), *left)
        ]
        together = torch.stack([nothing if each is None else each.float().to(nothing.device) for each in every]).tolist()
        gradient, weight, update, backward, after = (together[at * count : (at + 1) * count] for at in range(5))
        late = clipped_to(gradient, after) if all(map(math.isfinite, after)) and any(after) else None
        return Norms(
            gradient,
            weight,
            update if self._update else [None] * count,
            clipped_to(backward, gradient) if self._backward else None,
            late is not None and 0 < late < 1,
        )


def clipped_to(before: Sequence[float], after: Sequence[float]) -> float | None:
    """What clipping left of a gradient: 1 where it is as it was, None where something else happened to it.

    By norm, all its tensors are shortened by one factor; by value, some of them are shortened. A factor that is a power of two
    takes back the scale of a loss in half precision and is no clipping.

    Args:
        before: ‖g‖ of each tensor after the backward pass.
        after: at the update.

    Example:
        >>> clipped_to([3.0, 4.0], [0.3, 0.4]), clipped_to([3.0, 4.0], [3.0, 4.0]), clipped_to([3.0, 4.0], [3.5, 4.0])
        (0.1, 1.0, None)
    """
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if 0 < one < math.inf and other < math.inf]
    if not pairs:
        return None
    ratios = [other / one for one, other in pairs]
    if all(abs(ratio - 1) <= _SAME for ratio in ratios):
        return 1.0
    if max(ratios) > 1 + _SAME:
        return None
    whole = math.hypot(*(other for _, other in pairs)) / math.hypot(*(one for one, _ in pairs))
    alike = max(ratios) - min(ratios) <= _MORE * max(ratios)
    power = math.log2(whole) if whole > 0 else 0.0
    return 1.0 if alike and power < -0.5 and abs(power - round(power)) < _SAME else round(whole, 9)


def _norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    return (
        list(torch._foreach_norm([tensor if tensor.is_floating_point() else tensor.float() for tensor in tensors]))
        if tensors
        else []
    )
