"""Optimizers for many networks at once: a few operations on [A, P], each network with its own rates.

A networks, P parameters. The rules are those of `optim.OPTIMIZERS`, which are torch's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from leadline.errors import unknown
from leadline.spelling import bind, parse_call

_FUSED_FOR_ANY_RATES = ("cpu",)
_MOST_CALLS = 16  # of the fused rule elsewhere, where each call costs as much as a pass over all networks
_SMALLEST_RATE = 1e-30  # a rate of zero would make 0 · ∞ of a gradient that was always zero


class StackedOptimizer:
    """The update of all networks by one rule, with a learning rate η, a momentum μ and a weight decay λ for each.

    g ← ∇ + λw for matrices and filters, but for adamw, where w ← w − ηλw comes first; then
    sgd: b ← μb + g, w ← w − ηb; nesterov: w ← w − η(g + μb);
    adam, adamw: m ← μm + (1 − μ)g, v ← βv + (1 − β)g², w ← w − η m̂ / (√v̂ + ε), with m̂ = m / (1 − μᵗ), v̂ = v / (1 − βᵗ);
    rmsprop: v ← αv + (1 − α)g², b ← μb + g / (√v + ε), w ← w − ηb;
    adagrad: v ← v + g², w ← w − η g / (√v + ε), v beginning with `initial`.

    Shapes: weights and gradients [A, P].

    Args:
        text: sgd, nesterov, adam(beta2=0.999, epsilon=1e-8), adamw (the same), rmsprop(alpha=0.99, epsilon=1e-8) or
            adagrad(initial=0, epsilon=1e-10).
        values: w, changed by each step.
        decayed: how many of the first columns decay.
        learning_rates: η, [A].
        momenta: μ, [A].
        weight_decays: λ, [A].

    Errors: `ArgumentError` for an unknown name or argument.

    Example:
        >>> weights = torch.ones(2, 3)
        >>> rates = torch.tensor([0.5, 0.25])
        >>> sgd = StackedOptimizer("sgd", weights, decayed=3, learning_rates=rates, momenta=rates, weight_decays=torch.zeros(2))
        >>> sgd.step(weights, torch.ones(2, 3))
        >>> weights
        tensor([[0.5000, 0.5000, 0.5000],
                [0.7500, 0.7500, 0.7500]])

    Source: Polyak 1964; Nesterov 1983; Kingma and Ba 2015, Adam; Loshchilov and Hutter 2019, AdamW; Tieleman and Hinton 2012,
    RMSprop; Duchi, Hazan and Singer 2011, Adagrad.
    """

    def __init__(
        self, text: str, values: Tensor, *, decayed: int, learning_rates: Tensor, momenta: Tensor, weight_decays: Tensor
    ) -> None:
        call = parse_call(text, "optimizer")
        if call.name not in UPDATES:
            unknown("optimizer for many networks at once", call.name, UPDATES)
        _, self.options = bind(call, UPDATES[call.name], "optimizer for many networks at once", skip=4)
        self.name, self.text, self.decayed, self.count = call.name, text, decayed, 0
        # In float64, as torch's optimizers hold them; 1 − β of a float32 β has lost half its digits.
        precise = torch.float32 if values.device.type == "mps" else torch.float64
        columns = torch.stack([learning_rates, momenta, weight_decays]).to(values.device, precise)
        self.learning_rates, self.momenta, self.weight_decays = columns[:, :, None]
        self._decays = bool((weight_decays > 0).any())
        self.multiplier = 1.0
        self.count_there = torch.zeros((), device=values.device)
        self._find_alike()
        self.slots = {slot: torch.zeros_like(values) for slot in _SLOTS[call.name]}
        if "initial" in self.options:
            self.slots["square"].fill_(self.options["initial"])
        self._scratch = torch.empty_like(values)

    @torch.no_grad()
    def step(self, values: Tensor, gradients: Tensor, multiplier: float = 1.0) -> None:
        """Change `values` by one step; `gradients` are used up. The multiplier is the schedule's."""
        self.count += 1
        self.multiplier = multiplier
        rates = self.learning_rates * multiplier
        if self._decays:
            if self.name == "adamw":
                values[:, : self.decayed].mul_((1 - rates * self.weight_decays).to(values.dtype))
            else:
                gradients[:, : self.decayed].addcmul_(values[:, : self.decayed], self.weight_decays.to(values.dtype))
        UPDATES[self.name](self, values, gradients, rates, **self.options)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self.learning_rates, self.momenta, self.weight_decays = (
            each.index_select(0, rows) for each in (self.learning_rates, self.momenta, self.weight_decays)
        )
        self._find_alike()
        self.slots = {slot: state.index_select(0, rows) for slot, state in self.slots.items()}
        self._scratch = self._scratch[: len(rows)]

    def _find_alike(self) -> None:
        """Runs of neighbouring rows by learning rate and momentum: torch's fused rule takes them in one pass."""
        self.alike: dict[tuple[float, float], list[slice]] = {}
        pairs = zip(self.learning_rates.flatten().tolist(), self.momenta.flatten().tolist(), strict=True)
        at = 0
        for pair, run in itertools.groupby(pairs):
            until = at + len(list(run))
            self.alike.setdefault(pair, []).append(slice(at, until))
            at = until

    def state(self) -> dict[str, Any]:
        return {"name": self.text, "count": self.count, "slots": self.slots}

    def load(self, state: dict[str, Any]) -> None:
        if state["name"] != self.text:
            raise ValueError(f"the optimizer was {state['name']}, not {self.text}")
        self.count = state["count"]
        for slot, tensor in self.slots.items():
            tensor.copy_(state["slots"][slot])


def _momentum(of: StackedOptimizer, values: Tensor, gradients: Tensor, rates: Tensor) -> None:
    step = of.slots["velocity"].mul_(of.momenta.to(values.dtype)).add_(gradients)
    values.addcmul_(step, (-rates).to(values.dtype))


def _nesterov_momentum(of: StackedOptimizer, values: Tensor, gradients: Tensor, rates: Tensor) -> None:
    momenta = of.momenta.to(values.dtype)
    velocity = of.slots["velocity"].mul_(momenta).add_(gradients)
    values.addcmul_(gradients.addcmul_(velocity, momenta), (-rates).to(values.dtype))


def _adaptive_moments(
    of: StackedOptimizer, values: Tensor, gradients: Tensor, rates: Tensor, *, beta2: float = 0.999, epsilon: float = 1e-8
) -> None:
    mean, square, scratch = of.slots["mean"], of.slots["square"], of._scratch
    if values.device.type in _FUSED_FOR_ANY_RATES or len(of.alike) <= _MOST_CALLS:
        of.count_there.fill_(of.count)
        options: dict[str, Any] = {"beta2": beta2, "eps": epsilon, "weight_decay": 0.0, "amsgrad": False, "maximize": False}
        for (rate, momentum), runs in of.alike.items():
            rows, slopes, means, squares = ([each[run] for run in runs] for each in (values, gradients, mean, square))
            steps = [of.count_there] * len(runs)
            torch._fused_adam_(rows, slopes, means, squares, [], steps, lr=rate * of.multiplier, beta1=momentum, **options)
        return
    mean.lerp_(gradients, (1 - of.momenta).to(values.dtype))
    square.mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
    # The corrections of both moments and the rate are one factor a network, so the quotient needs a single pass over [A, P].
    share = (1 - of.momenta**of.count) / rates.clamp_min(_SMALLEST_RATE)
    spread = share / (1 - beta2**of.count) ** 0.5
    torch.sqrt(square, out=scratch)
    torch.addcmul((share * epsilon).to(values.dtype), scratch, spread.to(values.dtype), out=scratch)
    values.addcdiv_(mean, scratch, value=-1)


def _root_mean_square(
    of: StackedOptimizer, values: Tensor, gradients: Tensor, rates: Tensor, *, alpha: float = 0.99, epsilon: float = 1e-8
) -> None:
    square, scratch = of.slots["square"], of._scratch
    square.mul_(alpha).addcmul_(gradients, gradients, value=1 - alpha)
    torch.sqrt(square, out=scratch).add_(epsilon)
    velocity = of.slots["velocity"].mul_(of.momenta.to(values.dtype)).addcdiv_(gradients, scratch)
    values.addcmul_(velocity, (-rates).to(values.dtype))


def _sum_of_squares(
    of: StackedOptimizer, values: Tensor, gradients: Tensor, rates: Tensor, *, initial: float = 0.0, epsilon: float = 1e-10
) -> None:
    square, scratch = of.slots["square"], of._scratch
    square.addcmul_(gradients, gradients)
    torch.sqrt(square, out=scratch).add_(epsilon)
    values.addcmul_(gradients.div_(scratch), (-rates).to(values.dtype))


UPDATES: dict[str, Callable[..., None]] = {
    "sgd": _momentum,
    "nesterov": _nesterov_momentum,
    "adam": _adaptive_moments,
    "adamw": _adaptive_moments,
    "rmsprop": _root_mean_square,
    "adagrad": _sum_of_squares,
}
"""Name → the rule, applied to [A, P]; `optim.OPTIMIZERS` has the same names for one network."""

_SLOTS = {
    "sgd": ("velocity",),
    "nesterov": ("velocity",),
    "adam": ("mean", "square"),
    "adamw": ("mean", "square"),
    "rmsprop": ("square", "velocity"),
    "adagrad": ("square",),
}
