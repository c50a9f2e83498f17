"""Passes without gradients, between the steps: in which mode a program judges its network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_ENOUGH = 12  # passes, after which it is known how a program judges


class JudgingPasses:
    """Counts the first passes of a network in which nothing is learned, by the mode that it is in.

    It stays on the network until it has seen some, so that it does no more than to count: 2 µs a pass.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
        >>> passes = JudgingPasses(model)
        >>> with torch.no_grad():
        ...     _ = model(torch.zeros(1, 2)), model.eval()(torch.zeros(1, 2)), model(torch.zeros(1, 2))
        >>> passes.remove()
        >>> passes.training, passes.evaluation
        (1, 2)
    """

    def __init__(self, model: nn.Module) -> None:
        self.training = self.evaluation = 0
        scripted = isinstance(model, torch.jit.ScriptModule)  # which takes no hooks
        self._handle = None if scripted else model.register_forward_pre_hook(self._on_begin)

    def remove(self) -> None:
        if self._handle is not None:
            self._handle.remove()

    def _on_begin(self, module: nn.Module, _inputs: Any) -> None:
        if not module.training:
            self.evaluation += 1
        elif not torch.is_grad_enabled():
            self.training += 1
        else:
            return
        if self.training + self.evaluation >= _ENOUGH:
            self.remove()
