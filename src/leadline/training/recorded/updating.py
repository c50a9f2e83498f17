"""The optimizers' fused kernels called directly: what `torch.optim` sorts out anew in each step is sorted out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer


class Update:
    """An optimizer's update of the parameters that have a gradient, by the very kernel that `optimizer.step()` would call.

    Adam, AdamW and SGD of torch that are built with `fused=True` are called directly, from the second update on, when their
    state exists; any other optimizer makes its own step. The state stays the optimizer's, so checkpoints are the same.

    Args:
        optimizer: whose update it is.
        graded: the parameters that have a gradient in every step.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = torch.optim.SGD([weight], lr=0.5, momentum=0.5, fused=True)
        >>> update = Update(optimizer, [weight])
        >>> weight.grad = torch.tensor([1.0])
        >>> update(), update()
        (None, None)
        >>> weight.data  # 1 − 0.5 · 1 − 0.5 · (0.5 · 1 + 1)
        tensor([-0.2500])
    """

    def __init__(self, optimizer: Optimizer, graded: list[Tensor]) -> None:
        self.optimizer, self.graded = optimizer, graded
        self.direct = _fused(optimizer)
        self._groups: list[Callable[[], None]] = []
        self._state: Any = None

    def __call__(self) -> None:
        state = self.optimizer.state
        # A checkpoint that is loaded brings a new state.
        if self._state is None or state.get(self.graded[0]) is not self._state:
            self._collect()
        if self._groups:
            for update in self._groups:
                update()
        else:
            self.optimizer.step()

    def _collect(self) -> None:
        self._groups, self._state = [], None
        state = self.optimizer.state
        if not self.direct or not all(_complete(state.get(parameter)) for parameter in self.graded):
            return
        kind = _sgd if isinstance(self.optimizer, SGD) else _adam
        graded = set(self.graded)
        for group in self.optimizer.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter in graded]
            if parameters:
                self._groups.append(kind(group, parameters, [state[parameter] for parameter in parameters]))
        self._state = state.get(self.graded[0])


def _fused(optimizer: Optimizer) -> bool:
    """Whether this is one of the known optimizers with its usual update, in one precision on one device."""
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    return (
        type(optimizer) in (SGD, Adam, AdamW)
        and all(group.get("fused") and not group.get("differentiable") and not group.get("amsgrad") for group in groups)
        and not any(isinstance(group["lr"], Tensor) for group in groups)
        and len({(parameter.device, parameter.dtype) for parameter in parameters}) == 1
        and not any(parameter.is_complex() for parameter in parameters)
        and not (optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)
    )


def _complete(state: Any) -> bool:
    """Whether the optimizer's state of a parameter exists; SGD without momentum never has one, and makes its own steps."""
    return bool(state) and ("exp_avg" in state or state.get("momentum_buffer") is not None)


def _adam(group: dict[str, Any], parameters: list[Tensor], states: list[dict[str, Tensor]]) -> Callable[[], None]:
    kernel = torch._fused_adamw_ if group.get("decoupled_weight_decay") else torch._fused_adam_
    first, second, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))

    def update() -> None:
        gradients: list[Any] = [parameter.grad for parameter in parameters]
        torch._foreach_add_(steps, 1)
        kernel(
            parameters,
            gradients,
            first,
            second,
            [],
            steps,
            amsgrad=False,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
            grad_scale=None,
            found_inf=None,
        )

    return update


def _sgd(group: dict[str, Any], parameters: list[Tensor], states: list[dict[str, Tensor]]) -> Callable[[], None]:
    velocities = [state["momentum_buffer"] for state in states]

    def update() -> None:
        gradients: list[Any] = [parameter.grad for parameter in parameters]
        torch._fused_sgd_(
            parameters,
            gradients,
            velocities,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            is_first_step=False,
            grad_scale=None,
            found_inf=None,
        )

    return update
