"""Torch's optimizers by name, fused where the device has it, with weight decay on weights alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError, unknown


def _sgd(groups: list[dict[str, Any]], rate: float, momentum: float) -> Optimizer:
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=True)


def _nesterov(groups: list[dict[str, Any]], rate: float, momentum: float) -> Optimizer:
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0, fused=True)


def _adam(groups: list[dict[str, Any]], rate: float, momentum: float) -> Optimizer:
    return torch.optim.Adam(groups, lr=rate, betas=(momentum, 0.999), fused=True)


def _adamw(groups: list[dict[str, Any]], rate: float, momentum: float) -> Optimizer:
    return torch.optim.AdamW(groups, lr=rate, betas=(momentum, 0.999), fused=True)


def _rmsprop(groups: list[dict[str, Any]], rate: float, momentum: float) -> Optimizer:
    return torch.optim.RMSprop(groups, lr=rate, momentum=momentum)


def _adagrad(groups: list[dict[str, Any]], rate: float, momentum: float) -> Optimizer:
    return torch.optim.Adagrad(groups, lr=rate)


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], float, float], Optimizer]] = {
    "sgd": _sgd,
    "nesterov": _nesterov,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
}


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: matrices and filters, which decay; biases and the scales of normalization, which do not.

    A bias or a scale is not what makes a network complex, and pulling it to zero hurts; frozen parameters are left out.

    Example:
        >>> [len(group["params"]) for group in parameter_groups(nn.Linear(3, 2), 0.01)]
        [1, 1]
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise ArgumentError("The network has no parameter that can be trained", do="Set requires_grad on some of them.")
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(
    name: str, module: nn.Module, *, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> Optimizer:
    """An optimizer of torch by name for the parameters of `module`.

    Args:
        name: sgd, nesterov, adam, adamw, rmsprop or adagrad.
        module: whose parameters are trained.
        learning_rate: above 0.
        momentum: of sgd, nesterov and rmsprop; β₁ of adam and adamw; in [0, 1).
        weight_decay: decoupled for adamw, added to the gradient otherwise; 0 or more.

    Errors: `ArgumentError` for an unknown name or a value out of range.

    Example:
        >>> make_optimizer("adamw", nn.Linear(3, 2), learning_rate=1e-3).param_groups[0]["lr"]
        0.001
    """
    if name not in OPTIMIZERS:
        unknown("optimizer", name, OPTIMIZERS)
    if learning_rate <= 0 or not 0 <= momentum < 1 or weight_decay < 0:
        raise ArgumentError(
            "The optimizer cannot be built",
            expected="learning_rate > 0, momentum in [0, 1), weight_decay ≥ 0",
            got=(learning_rate, momentum, weight_decay),
        )
    return OPTIMIZERS[name](parameter_groups(module, weight_decay), learning_rate, momentum)
