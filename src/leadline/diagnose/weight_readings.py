"""Norms of gradients, weights and updates at one step, read around `optimizer.step` by hooks that are there for it alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class WeightHooks:
    """Reads ‖g‖ and ‖w‖ of each weight tensor before the update and ‖Δw‖ after it.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> hooks = WeightHooks(list(model.named_parameters()), [sgd])
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> sgd.step()
        >>> hooks.remove()
        >>> [round(value, 3) for value in hooks.readings()[2]]
        [0.707]
    """

    def __init__(self, parameters: Sequence[tuple[str, nn.Parameter]], optimizers: Sequence[Optimizer]) -> None:
        self._parameters = [parameter for _, parameter in parameters]
        self._before: list[Tensor] = []
        self._gradient: list[Tensor | None] = []
        self._weight: list[Tensor] = []
        self._update: list[Tensor | None] = []
        self._handles: list[Any] = []
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._on_begin))
            self._handles.append(optimizer.register_step_post_hook(self._on_end))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _on_begin(self, _optimizer: Optimizer, _arguments: Any, _keywords: Any) -> None:
        if self._before:
            return  # several optimizers step one after the other: the first sees everything
        with torch.no_grad():
            self._before = [parameter.detach().clone() for parameter in self._parameters]
            self.read_gradients()

    def read_gradients(self) -> None:
        """The gradients as they stand now."""
        with torch.no_grad():
            present = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
            dense = [grad.to_dense() if grad.is_sparse else grad for grad in present]
            norms = iter(_norms(dense))
            self._gradient = [next(norms) if parameter.grad is not None else None for parameter in self._parameters]
            self._weight = _norms([parameter.detach() for parameter in self._parameters])

    def _on_end(self, _optimizer: Optimizer, _arguments: Any, _keywords: Any) -> None:
        with torch.no_grad():
            changes = torch._foreach_sub([each.detach() for each in self._parameters], self._before)
            self._update = list(_norms(changes))

    def readings(self) -> tuple[list[float], list[float], list[float | None]]:
        """Norms of gradients, weights and updates, in one transfer; NaN for one without gradient, None where none was seen."""
        if not self._weight:
            return [], [], []
        nothing = torch.full((), float("nan"), device=self._weight[0].device)
        update = self._update or [nothing] * len(self._weight)
        gradient = [nothing if each is None else each for each in self._gradient]
        every = [*gradient, *self._weight, *(nothing if each is None else each for each in update)]
        together = torch.stack([each.float().to(nothing.device) for each in every]).tolist()
        count = len(self._weight)
        updates: list[float | None] = list(together[2 * count :]) if self._update else [None] * count
        return together[:count], together[count : 2 * count], updates


def _norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    return (
        list(torch._foreach_norm([tensor if tensor.is_floating_point() else tensor.float() for tensor in tensors]))
        if tensors
        else []
    )
