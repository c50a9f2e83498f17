"""Optimizers by name: torch's own, fused where the device has it, and Muon; weight decay is on weights alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError, unknown
from leadline.optim.muon import Muon, hidden_matrices
from leadline.spelling import Call, bind, parse_call


class _Given(NamedTuple):
    """What every optimizer is made from."""

    module: nn.Module
    parameters: list[Tensor]
    learning_rate: float
    momentum: float
    weight_decay: float

    @property
    def groups(self) -> list[dict[str, Any]]:
        return _grouped(self.parameters, self.weight_decay)


def _sgd(given: _Given) -> Optimizer:
    return torch.optim.SGD(given.groups, lr=given.learning_rate, momentum=given.momentum, fused=True)


def _nesterov(given: _Given) -> Optimizer:
    ahead = given.momentum > 0
    return torch.optim.SGD(given.groups, lr=given.learning_rate, momentum=given.momentum, nesterov=ahead, fused=True)


def _adam(given: _Given, *, beta2: float = 0.999, epsilon: float = 1e-8, amsgrad: bool = False) -> Optimizer:
    betas = _betas(given.momentum, beta2, epsilon)
    return torch.optim.Adam(given.groups, lr=given.learning_rate, betas=betas, eps=epsilon, amsgrad=amsgrad, fused=True)


def _adamw(given: _Given, *, beta2: float = 0.999, epsilon: float = 1e-8, amsgrad: bool = False) -> Optimizer:
    betas = _betas(given.momentum, beta2, epsilon)
    return torch.optim.AdamW(given.groups, lr=given.learning_rate, betas=betas, eps=epsilon, amsgrad=amsgrad, fused=True)


def _rmsprop(given: _Given, *, alpha: float = 0.99, epsilon: float = 1e-8, centered: bool = False) -> Optimizer:
    _betas(alpha, 0.0, epsilon)
    return torch.optim.RMSprop(
        given.groups, lr=given.learning_rate, momentum=given.momentum, alpha=alpha, eps=epsilon, centered=centered
    )


def _adagrad(given: _Given, *, initial: float = 0.0, epsilon: float = 1e-10) -> Optimizer:
    if not initial >= 0 or not epsilon > 0:
        raise _out_of_range("initial ≥ 0 and epsilon > 0", (initial, epsilon))
    fused = all(weight.device.type == "cpu" for weight in given.parameters)  # torch has it for the CPU alone: 2.8× as fast
    return torch.optim.Adagrad(
        given.groups, lr=given.learning_rate, initial_accumulator_value=initial, eps=epsilon, fused=fused
    )


def _muon(
    given: _Given,
    *,
    rest: str = "sgd",
    rest_rate: float | None = None,
    nesterov: bool = True,
    iterations: int = 5,
    scale: str = "original",
    head: bool = False,
) -> Optimizer:
    matrices = hidden_matrices(given.module, head=head)
    if not matrices:
        raise ArgumentError(
            "There is nothing for Muon here",
            expected="a hidden linear layer or a convolution that can be trained",
            do="Take sgd or adamw, or muon(head=True) where the head is all there is.",
        )
    chosen = {id(weight) for weight in matrices}
    others = [weight for weight in given.parameters if id(weight) not in chosen]
    rate = given.learning_rate if rest_rate is None else rest_rate
    if not 0 < rate < math.inf:
        raise _out_of_range("rest_rate > 0", rate)
    return Muon(
        matrices,
        _made(rest, given._replace(parameters=others, learning_rate=rate), _OF_THE_REST) if others else None,
        learning_rate=given.learning_rate,
        momentum=given.momentum,
        weight_decay=given.weight_decay,
        nesterov=nesterov,
        iterations=iterations,
        scale=scale,
    )


def _lbfgs(given: _Given, *, iterations: int = 20, history: int = 10, tolerance: float = 1e-7) -> Optimizer:
    if iterations < 1 or history < 1 or iterations % 1 or history % 1 or not tolerance >= 0:
        expected = "whole numbers iterations and history ≥ 1, and tolerance ≥ 0"
        raise _out_of_range(expected, (iterations, history, tolerance))
    # It takes one group alone; the decay is for the step, which adds it to the loss that the line search sees.
    group = {"params": given.parameters, "weight_decay": given.weight_decay}
    return torch.optim.LBFGS(
        [group],
        lr=given.learning_rate,
        max_iter=iterations,
        history_size=history,
        tolerance_grad=tolerance,
        line_search_fn="strong_wolfe",
    )


_OF_THE_REST: dict[str, Callable[..., Optimizer]] = {
    "sgd": _sgd,
    "nesterov": _nesterov,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {**_OF_THE_REST, "muon": _muon, "lbfgs": _lbfgs}


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: matrices and filters, which decay; biases and the scales of normalization, which do not.

    A bias or a scale is not what makes a network complex, and pulling it to zero hurts; frozen parameters are left out.

    Args:
        module: whose parameters are trained.
        weight_decay: of the first group.

    Errors: `ArgumentError` where no parameter can be trained.

    Example:
        >>> [len(group["params"]) for group in parameter_groups(nn.Linear(3, 2), 0.01)]
        [1, 1]
    """
    return _grouped(_trained(module), weight_decay)


def make_optimizer(
    text: str, module: nn.Module, *, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> Optimizer:
    """The optimizer that a text spells, for the parameters of `module`.

    With the gradient g of a weight w, the rate η, the momentum β and the weight decay λ:

    - sgd: v ← βv + g; w ← w − ηv.
    - nesterov: v ← βv + g; w ← w − η(g + βv).
    - adagrad(initial=0, epsilon=1e-10): s ← s + g²; w ← w − ηg / (√s + ε), s beginning with `initial`. It has no momentum.
    - rmsprop(alpha=0.99, epsilon=1e-8, centered=False): s ← αs + (1 − α)g²; v ← βv + g / (√s + ε); w ← w − ηv; centered
      takes the square of the mean gradient off s.
    - adam(beta2=0.999, epsilon=1e-8, amsgrad=False): m ← βm + (1 − β)g; s ← β₂s + (1 − β₂)g²;
      w ← w − η m̂ / (√ŝ + ε), with m̂ = m / (1 − βᵗ) and ŝ = s / (1 − β₂ᵗ) at step t; amsgrad takes the largest s so far.
    - adamw: the same arguments and rule, but w ← (1 − ηλ)w first.
    - muon(rest="sgd", rest_rate=None, nesterov=True, iterations=5, scale="original", head=False): `Muon` for
      `hidden_matrices(module, head=head)`, and another of these for biases, scales, embeddings and the head, with the same
      momentum and the rate η or `rest_rate`.
    - lbfgs(iterations=20, history=10, tolerance=1e-7): w ← w + ηd along a quasi-Newton direction d from the last `history`
      steps, η found by a line search (strong Wolfe) that begins with the rate; for full batches, by `training.ClosureStep`.

    Weight decay is decoupled for adamw and muon, and λw is added to the gradient for all others. It is on matrices and filters
    alone, not on biases and scales.

    Args:
        text: one of these, with or without arguments: "adam(beta2=0.99)".
        module: whose parameters are trained.
        learning_rate: η, above 0.
        momentum: β, in [0, 1).
        weight_decay: λ, 0 or more.

    Errors: `ArgumentError` for an unknown name, a value out of range, or a module without a parameter that can be trained.

    Example:
        >>> make_optimizer("adamw(beta2=0.99)", nn.Linear(3, 2), learning_rate=1e-3).param_groups[0]["betas"]
        (0.9, 0.99)

    Source: Polyak (1964) and Nesterov (1983) for the momenta; Duchi, Hazan and Singer (2011) for Adagrad; Tieleman and Hinton
    (2012) for RMSprop; Kingma and Ba (2015) for Adam; Loshchilov and Hutter (2019) for AdamW; Liu and Nocedal (1989), L-BFGS.
    """
    rate_and_decay_fit = 0 < learning_rate < math.inf and 0 <= weight_decay < math.inf
    if not rate_and_decay_fit or not 0 <= momentum < 1:
        raise _out_of_range("learning_rate > 0, momentum in [0, 1), weight_decay ≥ 0", (learning_rate, momentum, weight_decay))
    return _made(text, _Given(module, _trained(module), learning_rate, momentum, weight_decay), OPTIMIZERS)


def _made(text: str, given: _Given, table: dict[str, Callable[..., Optimizer]]) -> Optimizer:
    call: Call = parse_call(text, "optimizer")
    if call.name not in table:
        unknown("optimizer", call.name, table)
    arguments, keywords = bind(call, table[call.name], "optimizer", skip=1)
    try:
        return table[call.name](given, *arguments, **keywords)
    except TypeError as error:  # a text where a number belongs
        raise ArgumentError(f"The optimizer {text!r} cannot be made", got=str(error)) from error


def _trained(module: nn.Module) -> list[Tensor]:
    trained: list[Tensor] = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise ArgumentError("The network has no parameter that can be trained", do="Set requires_grad on some of them.")
    return trained


def _grouped(parameters: Iterable[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _betas(first: float, second: float, epsilon: float) -> tuple[float, float]:
    if not 0 <= first < 1 or not 0 <= second < 1 or not 0 < epsilon < math.inf:
        raise _out_of_range("averages over the past in [0, 1) and epsilon > 0", (first, second, epsilon))
    return first, second


def _out_of_range(expected: str, got: object) -> ArgumentError:
    return ArgumentError("The optimizer cannot be built", expected=expected, got=got)
