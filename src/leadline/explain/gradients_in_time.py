"""How far back in time a gradient reaches: whether what a network reads can teach it what to remember."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.unrolling import Unrolled, turned_layers, unrolled

_FAR = 1e3  # times smaller or larger at the far end of a row: beyond this, near and far cannot be learned at one learning rate


@dataclass(frozen=True)
class TimeGradient:
    """The gradient of a loss with respect to the state of one recurrent layer, by the distance from the last step that counts.

    Args:
        name: of the layer.
        backward: whether it reads rows from their end; its last step is then their first.
        norms: [T], ‖∂L/∂state‖ at a distance of 0, 1, …, T − 1 steps, the mean over the rows that are so long.

    Example:
        >>> gradient = TimeGradient("lstm", False, 0.5 ** np.arange(30))
        >>> print(gradient)
        lstm: the gradient halves every 1.0 steps and is 1.9e-09 of itself 29 steps back: vanishing
        >>> gradient.half_life, gradient.verdict
        (1.0, 'vanishing')
    """

    name: str
    backward: bool
    norms: NDArray[np.float64]

    @property
    def growth(self) -> float:
        """By what the gradient is multiplied on each step back: e to the slope of log norms over the distance."""
        at = np.flatnonzero(self.norms > 0)
        if len(at) < 2:
            return 0.0
        logs = np.log(self.norms[at])
        middle = at - at.mean()
        return float(np.exp((middle * logs).sum() / (middle * middle).sum()))

    @property
    def half_life(self) -> float:
        """Steps after which half of the gradient is left; infinite where it does not fall."""
        return math.inf if self.growth >= 1 else 0.0 if self.growth == 0 else round(math.log(0.5) / math.log(self.growth), 6)

    @property
    def across(self) -> float:
        """The gradient at the first step as a multiple of that at the last one, as the slope has it."""
        return float(self.growth ** (len(self.norms) - 1))

    @property
    def verdict(self) -> str:
        """Vanishing, exploding or steady: less than a thousandth, more than a thousand times, or in between across the row."""
        return "vanishing" if self.across < 1 / _FAR else "exploding" if self.across > _FAR else "steady"

    def __str__(self) -> str:
        steps = len(self.norms) - 1
        pace = f"halves every {self.half_life:.1f} steps"
        if self.growth >= 1:
            pace = f"grows by {self.growth - 1:.1%} a step"
        way = " (backwards)" if self.backward else ""
        return f"{self.name}{way}: the gradient {pace} and is {self.across:.2g} of itself {steps} steps back: {self.verdict}"


def gradient_through_time(
    model: nn.Module, inputs: Any, targets: Any, loss: Callable[[Any, Any], Tensor]
) -> tuple[TimeGradient, ...]:
    """How the gradient of a loss fades, or grows, on its way back through the steps of each recurrent layer.

    g(d) = mean over the rows of ‖∂L/∂s_{e−d}‖, s being the state (h, or h and c of an LSTM) and e the last step of the row that
    the loss depends on; g ∝ ρ^d is fitted to it on a logarithmic scale. A product of d Jacobians makes it so: with ρ below 1 a
    network cannot learn from what lies further back than some half-lives, with ρ above 1 its steps are thrown about.

    The loss should depend on the end of the rows alone, as that of a network that answers for a row from its last step does. Of
    a network that answers at every step give the last one: `lambda outputs, targets: loss(outputs[:, -1], targets[:, -1])`.
    Otherwise it says how much of the gradient each step gets from near and far together.

    The network is used in evaluation, and nothing in it is changed; layers are carried out step by step from their weights.

    Args:
        model: any network with `nn.LSTM`, `nn.GRU`, `nn.RNN` or `PeepholeLSTM` in it.
        inputs: a batch, as the network takes it; 32 rows tell enough.
        targets: of the rows.
        loss: of the network's outputs and the targets, one number.

    Returns:
        One result for each recurrent layer and direction, in the order in which they were reached.

    Errors: `ArgumentError` for a network without a recurrent layer, rows of one step, or a loss that does not depend on them.

    Example:
        >>> class Last(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rnn, self.head = nn.RNN(1, 8, batch_first=True), nn.Linear(8, 1)
        ...     def forward(self, x):
        ...         return self.head(self.rnn(x)[0][:, -1])
        >>> network = Last()
        >>> _ = nn.init.eye_(network.rnn.weight_hh_l0).detach().mul_(0.5)
        >>> x = torch.zeros(4, 30, 1)
        >>> [found] = gradient_through_time(network, x, torch.ones(4, 1), nn.functional.mse_loss)
        >>> found.verdict, found.half_life < 1.01
        ('vanishing', True)

    Source: Hochreiter (1991), Untersuchungen zu dynamischen neuronalen Netzen; Bengio, Simard and Frasconi (1994), Learning
    long-term dependencies with gradient descent is difficult; Pascanu, Mikolov and Bengio (2013), On the difficulty of training
    recurrent neural networks.
    """
    with unrolled(model) as layers, torch.enable_grad(), _all_graded(model):
        value = loss(model(inputs), targets)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise ArgumentError(
                "The gradient through time needs one number to begin from",
                expected="a loss that gives a tensor of one value",
                got=list(value.shape) if isinstance(value, Tensor) else type(value).__name__,
            )
        states = [_states(layer) for layer in layers]
        flat = [state for layer in states for step in layer for state in step]
        if not flat or not value.requires_grad:
            raise ArgumentError("The loss does not depend on a recurrent layer, so nothing goes back through time")
        found = iter(torch.autograd.grad(value, flat, allow_unused=True))
    gradients = [[[next(found) for _ in step] for step in layer] for layer in states]
    turned = turned_layers(model)
    return tuple(
        TimeGradient(layer.name, layer.backward or layer.name in turned, _by_distance(layer.name, _norms(before, after)))
        for layer, before, after in zip(layers, states, gradients, strict=True)
    )


def _states(layer: Unrolled) -> list[list[Tensor]]:
    """The state after each step: (h,) or (h, c), each [s, H]."""
    kinds = [name for name in ("hidden", "cell") if name in layer.values]
    return [list(parts) for parts in zip(*(layer.values[kind] for kind in kinds), strict=True)]


def _norms(states: list[list[Tensor]], gradients: Sequence[Sequence[Tensor | None]]) -> NDArray[np.float64]:
    """‖∂L/∂state‖ of each row at each step, [B, T]; 0 where a row is over."""
    norms = np.zeros((len(states[0][0]), len(states)))
    for at, (step, parts) in enumerate(zip(states, gradients, strict=True)):
        squares = torch.zeros(len(step[0]), dtype=torch.float64, device=step[0].device)
        for part in parts:
            if part is not None:
                squares += part.double().square().sum(1)
        norms[: len(squares), at] = squares.sqrt().cpu().numpy()
    return norms


def _by_distance(name: str, norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over rows at each distance from the last step that the loss depends on."""
    if norms.shape[1] < 2:
        raise ArgumentError(f"The layer {name!r} read one step, so there is no way through time", expected="at least 2 steps")
    if not np.isfinite(norms).all():
        raise ArgumentError(
            f"The gradient in the layer {name!r} is not finite (NaN or infinity)", do="Look at the inputs first."
        )
    rows = [row[: np.flatnonzero(row)[-1] + 1][::-1] for row in norms if row.any()]
    if not rows or max(map(len, rows)) < 2:
        raise ArgumentError(f"The loss does not depend on what the layer {name!r} read before its last step")
    return np.array([np.mean([row[at] for row in rows if at < len(row)]) for at in range(max(map(len, rows)))])


@contextmanager
def _all_graded(model: nn.Module) -> Iterator[None]:
    """Frozen weights would end the graph before the first state."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad and parameter.is_floating_point()]
    for parameter in frozen:
        parameter.requires_grad_()
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
